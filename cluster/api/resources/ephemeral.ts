// What may be added to a pod that runs: ephemeral containers, through the subresource of that name. They can
// be added and never changed or taken away, for what was seen in one can't be unseen.
// Source: Kubernetes, pkg/apis/core/validation (validateEphemeralContainers,
// ValidatePodEphemeralContainersUpdate), and its list of fields that may be set.

import type { EphemeralContainer, PodSpec } from '../types.ts';
import { validateContainer } from './containervalidate.ts';
import { forbidden, sameJson } from './validate.ts';
import type { Errors, Loose } from './validate.ts';

type Ephemeral = Loose<EphemeralContainer>;

/** Pod services should not depend on them. In the order of Kubernetes' type. */
const barred = [
  'ports', 'resources', 'resizePolicy', 'restartPolicy', 'restartPolicyRules', 'livenessProbe',
  'readinessProbe', 'startupProbe', 'lifecycle',
] as const;

export function validateEphemeralContainers(
  errors: Errors, spec: Loose<PodSpec>, path: string, old: Loose<PodSpec>,
): void {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = spec;
  const others = new Set([...containers, ...initContainers].map(({ name = '' }) => name));
  const names = new Set(others);
  for (const [i, container] of ephemeralContainers.entries()) {
    const at = `${path}.ephemeralContainers[${i}]`, { targetContainerName: target = '' } = container;
    // What is barred is told of below, whether or not other containers could have it.
    const rest = Object.fromEntries(Object.entries(container).filter(([field]) =>
      !(barred.slice(2) as readonly string[]).includes(field)));
    validateContainer(errors, rest as Ephemeral, at, names, spec.hostNetwork === true);
    if (target !== '' && !others.has(target)) {
      errors.push({
        reason: 'FieldValueNotFound', field: `${at}.targetContainerName`,
        message: `Not found: ${JSON.stringify(target)}`,
      });
    }
    for (const field of barred) {
      if (isSet((container as Readonly<Record<string, unknown>>)[field])) {
        forbidden(errors, `${at}.${field}`, 'cannot be set for an Ephemeral Container');
      }
    }
  }
  validateKept(errors, ephemeralContainers, old.ephemeralContainers ?? [], `${path}.ephemeralContainers`);
}

/** A patch may put them into another order. */
function validateKept(
  errors: Errors, now: readonly Ephemeral[], before: readonly Ephemeral[], path: string,
): void {
  const byName = new Map(now.map((container) => [container.name, container] as const));
  for (const old of before) {
    const container = byName.get(old.name), named = JSON.stringify(old.name);
    if (container === undefined) {
      forbidden(errors, path, `existing ephemeral containers ${named} may not be removed\n`);
    } else if (!sameJson(container, old)) {
      const changed = changedFields(container, old).map((field) => `\`${field}\``).join(', ');
      forbidden(errors, path,
        `existing ephemeral containers ${named} may not be changed\nchanged: ${changed}`);
    }
  }
}

function changedFields(now: Ephemeral, old: Ephemeral): readonly string[] {
  const left = now as Readonly<Record<string, unknown>>, right = old as Readonly<Record<string, unknown>>;
  return [...new Set([...Object.keys(left), ...Object.keys(right)])].sort()
    .filter((field) => !sameJson(left[field], right[field]));
}

/** Empty lists and structures are what clients send for nothing. */
function isSet(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}
