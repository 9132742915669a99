// What may change in a pod that exists: images, a shorter deadline, more tolerations. Everything else is
// fixed, for the node that runs the pod has already acted on it.
// Source: Kubernetes, pkg/apis/core/validation (ValidatePodUpdate).

import type { PodSpec, Toleration } from '../types.ts';
import { int32Max, validatePodSpec } from './podvalidate.ts';
import { forbidden, invalid, rangeMessage, required, sameJson } from './validate.ts';
import { refusedInPod } from './unsupported.ts';
import type { Errors, Loose } from './validate.ts';

type LooseSpec = Loose<PodSpec>;

const changeable = '`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,'
  + '`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` '
  + '(allow it to be set to 1 if it was previously negative)';

export function validatePodUpdate(errors: Errors, spec: LooseSpec, old: LooseSpec): void {
  for (const list of ['containers', 'initContainers'] as const) {
    if ((spec[list]?.length ?? 0) !== (old[list]?.length ?? 0)) {
      return forbidden(errors, `spec.${list}`, 'pod updates may not add or remove containers');
    }
  }
  for (const list of ['containers', 'initContainers'] as const) {
    for (const [i, container] of (spec[list] ?? []).entries()) {
      const path = `spec.${list}[${i}].image`;
      if (!container.image) required(errors, path);
      else if (container.image.trim() !== container.image) {
        invalid(errors, path, container.image, 'must not have leading or trailing whitespace');
      }
    }
  }
  validateDeadline(errors, spec.activeDeadlineSeconds, old.activeDeadlineSeconds);
  validateAddedTolerations(errors, spec, old);
  const changed = changedFields(spec, old);
  if (changed.length > 0) {
    const what = changed.map((field) => `\`spec.${field}\``).join(', ');
    forbidden(errors, 'spec', `pod updates may not change fields other than ${changeable}\nchanged: ${what}`);
  }
  return undefined;
}

/** A deadline may be set or brought nearer, not put off or taken away. */
function validateDeadline(errors: Errors, deadline: number | undefined, old: number | undefined): void {
  const path = 'spec.activeDeadlineSeconds';
  if (deadline === undefined) {
    if (old === undefined) return;
    invalid(errors, path, null, 'must not update from a positive integer to nil value');
  } else if (deadline < 0 || deadline > int32Max) invalid(errors, path, deadline, rangeMessage(0, int32Max));
  else if (old !== undefined && deadline > old) {
    invalid(errors, path, deadline, 'must be less than or equal to previous value');
  }
}

function validateAddedTolerations(errors: Errors, spec: LooseSpec, old: LooseSpec): void {
  const bare = ({ tolerationSeconds: _, ...rest }: Loose<Toleration>): Loose<Toleration> => rest;
  const now = (spec.tolerations ?? []).map(bare);
  const kept = (old.tolerations ?? []).every((one) => now.some((other) => sameJson(bare(one), other)));
  if (!kept) {
    const wrong = 'existing toleration can not be modified except its tolerationSeconds';
    forbidden(errors, 'spec.tolerations', wrong);
  }
  if (sameJson(spec.tolerations, old.tolerations)) return;
  // The rest of the specification is the old one, so that only the tolerations are judged.
  const judged: Errors = [];
  const { tolerations } = spec;
  validatePodSpec(judged, tolerations === undefined ? old : { ...old, tolerations }, 'spec',
    refusedInPod);
  errors.push(...judged.filter((error) => error.field?.startsWith('spec.tolerations[')));
}

/** Names of the fields of the specification that differ beyond what may. */
function changedFields(spec: LooseSpec, old: LooseSpec): readonly string[] {
  const changed: string[] = [];
  const left = comparable(spec), right = comparable(old);
  for (const field of [...new Set([...Object.keys(left), ...Object.keys(right)])].sort()) {
    if (sameJson(left[field], right[field])) continue;
    const wasNegative = (old.terminationGracePeriodSeconds ?? 0) < 0;
    if (field === 'terminationGracePeriodSeconds' && wasNegative && left[field] === 1) continue;
    changed.push(field);
  }
  return changed;
}

/** The specification without what may change. */
function comparable(spec: LooseSpec): Readonly<Record<string, unknown>> {
  const { activeDeadlineSeconds: _, tolerations: __, containers, initContainers, ...rest } = spec;
  const imageless = (list: LooseSpec['containers']): readonly unknown[] =>
    (list ?? []).map((container) => ({ ...container, image: '' }));
  return { ...rest, containers: imageless(containers), initContainers: imageless(initContainers) };
}
