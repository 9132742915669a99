// Node: a peer, as the scheduler and people see it. The peer itself writes it; people cordon and taint it.
// Source: Kubernetes, pkg/apis/core/validation (ValidateNode) and printNode.

import { compareQuantities, quantityFormatMessage } from '../quantity.ts';
import type { Resource } from '../resource.ts';
import type { KubeObject, Node, ResourceList, StatusCause, Taint } from '../types.ts';
import { ageColumn, nameColumn, orNone, text, wide } from './columns.ts';
import { kind, statusStrategy } from './kind.ts';
import { labelKeyErrors, labelValueErrors } from './names.ts';
import { canonicalList } from './podspec.ts';
import { taintEffects } from './podvalidate.ts';
import {
  duplicate, forbidden, invalid, invalidEach, nonNegativeMessage, oneOf, required, sameJson, sortedEntries,
} from './validate.ts';
import type { Errors, Loose } from './validate.ts';

const loose = (object: KubeObject): Loose<Node> => object as Loose<Node>;
const info = (object: KubeObject, field: string): string =>
  loose(object).status?.nodeInfo?.[field] || '<unknown>';

export const node: Resource = kind({
  group: '', version: 'v1', resource: 'nodes', singular: 'node', kind: 'Node', shortNames: ['no'],
  namespaced: false, subresources: ['status'],
  columns: [
    nameColumn,
    text('Status', 'Whether the node is ready, and whether pods may be put there.', state),
    text('Roles', 'Roles of the node, by its labels.', (object) => orNone(roles(object).join(','))),
    ageColumn,
    text('Version', 'Version of the node agent.',
      (object) => loose(object).status?.nodeInfo?.['kubeletVersion'] ?? ''),
    wide(text('Internal-IP', 'Address in the cluster.', (object) => address(object, 'InternalIP'))),
    wide(text('External-IP', 'Address outside.', (object) => address(object, 'ExternalIP'))),
    wide(text('OS-Image', 'Operating system.', (object) => info(object, 'osImage'))),
    wide(text('Kernel-Version', 'Version of the kernel.', (object) => info(object, 'kernelVersion'))),
    wide(text('Container-Runtime', 'What runs the containers.',
      (object) => info(object, 'containerRuntimeVersion'))),
  ],
  fields: { 'spec.unschedulable': (object) => String(loose(object).spec?.unschedulable ?? false) },
  defaults,
  ...statusStrategy,
  validate,
});

function defaults(object: KubeObject): KubeObject {
  const { status } = loose(object);
  if (status === undefined) return object;
  const { capacity } = status;
  const allocatable = status.allocatable ?? capacity;
  const changed = {
    ...object,
    status: {
      ...status,
      ...(capacity === undefined ? {} : { capacity: canonicalList(capacity) }),
      ...(allocatable === undefined ? {} : { allocatable: canonicalList(allocatable) }),
    },
  };
  return changed;
}

function state(object: KubeObject): string {
  const ready = loose(object).status?.conditions?.find((condition) => condition.type === 'Ready');
  const word = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady';
  return loose(object).spec?.unschedulable === true ? `${word},SchedulingDisabled` : word;
}

const roleLabel = 'node-role.kubernetes.io/';

function roles(object: KubeObject): readonly string[] {
  const found = new Set<string>();
  for (const [key, value] of Object.entries(object.metadata.labels ?? {})) {
    if (key.startsWith(roleLabel) && key.length > roleLabel.length) found.add(key.slice(roleLabel.length));
    else if (key === 'kubernetes.io/role' && value !== '') found.add(value);
  }
  return [...found].sort();
}

function address(object: KubeObject, type: string): string {
  return orNone(loose(object).status?.addresses?.find((one) => one.type === type)?.address);
}

function validate(object: KubeObject, old: KubeObject | null): readonly StatusCause[] {
  const errors: Errors = [];
  const { spec, status } = loose(object);
  validateTaints(errors, spec?.taints ?? []);
  for (const list of ['capacity', 'allocatable'] as const) {
    validateAmounts(errors, status?.[list], `status.${list}`);
  }
  if (old !== null) validateFixed(errors, object, old);
  return errors;
}

function validateTaints(errors: Errors, taints: readonly Loose<Taint>[]): void {
  const seen = new Set<string>();
  for (const [i, taint] of taints.entries()) {
    const { key = '', value = '', effect } = taint;
    const path = `spec.taints[${i}]`;
    if (key === '') required(errors, `${path}.key`);
    else invalidEach(errors, `${path}.key`, key, labelKeyErrors(key));
    invalidEach(errors, `${path}.value`, value, labelValueErrors(value));
    oneOf(errors, `${path}.effect`, effect, taintEffects);
    const pair = `${key}:${effect ?? ''}`;
    if (seen.has(pair)) duplicate(errors, path, taint, 'taints must be unique by key and effect pair');
    seen.add(pair);
  }
}

function validateAmounts(errors: Errors, list: Loose<ResourceList> | undefined, path: string): void {
  for (const [name, value] of sortedEntries(list)) {
    const at = `${path}[${name}]`;
    invalidEach(errors, at, name, labelKeyErrors(name));
    const sign = compareQuantities(String(value), '0');
    if (sign === null) invalid(errors, at, value, quantityFormatMessage);
    else if (sign < 0) invalid(errors, at, value, nonNegativeMessage);
  }
}

/** What is set once and for all: networks handed to the node, and what it is called by its provider. */
function validateFixed(errors: Errors, object: KubeObject, old: KubeObject): void {
  const now = (object as { spec?: Readonly<Record<string, unknown>> }).spec ?? {};
  const before = (old as { spec?: Readonly<Record<string, unknown>> }).spec ?? {};
  for (const field of ['podCIDR', 'podCIDRs', 'providerID']) {
    if (!before[field] || sameJson(now[field], before[field])) continue;
    forbidden(errors, `spec.${field}`, `node updates may not change ${field} except from "" to valid`);
  }
}
