// What Deployment and ReplicaSet share: a number of replicas, a selector, a template.
// Source: Kubernetes, pkg/apis/apps/v1 (defaults) and pkg/apis/apps/validation.

import { matchesSelector } from '../selector.ts';
import type { Resource } from '../resource.ts';
import type { KubeObject, LabelSelector, PodTemplateSpec } from '../types.ts';
import { selectorText } from './columns.ts';
import { labelKeyErrors, labelValueErrors, validateLabels } from './names.ts';
import { validatePodTemplate } from './podvalidate.ts';
import { defaultPodSpec } from './podspec.ts';
import { forbidden, immutable, invalid, invalidEach, nonNegative, required } from './validate.ts';
import type { Errors, Loose } from './validate.ts';

export interface WorkloadSpec {
  readonly replicas?: number | undefined;
  readonly minReadySeconds?: number | undefined;
  readonly selector?: Loose<LabelSelector> | undefined;
  readonly template?: Loose<PodTemplateSpec> | undefined;
}

const specOf = (object: KubeObject): WorkloadSpec => (object as { spec?: WorkloadSpec }).spec ?? {};

/** One replica, and the defaults of a pod in the template. */
export function defaultWorkload<T extends WorkloadSpec>(spec: T): T & { readonly replicas: number } {
  const template = { ...spec.template, spec: defaultPodSpec(spec.template?.spec ?? {}) };
  return { ...spec, replicas: spec.replicas ?? 1, template };
}

/** Errors of `spec`; a selector that was stored can't change any more. */
export function validateWorkload(errors: Errors, object: KubeObject, old: KubeObject | null): void {
  const spec = specOf(object);
  nonNegative(errors, 'spec.replicas', spec.replicas);
  nonNegative(errors, 'spec.minReadySeconds', spec.minReadySeconds);
  validateWorkloadSelector(errors, spec);
  if (old !== null) immutable(errors, 'spec.selector', spec.selector, specOf(old).selector);
  validatePodTemplate(errors, spec.template ?? {}, 'spec.template');
}

function validateWorkloadSelector(errors: Errors, { selector, template }: WorkloadSpec): void {
  if (selector === undefined) return required(errors, 'spec.selector');
  validateLabelSelector(errors, selector, 'spec.selector');
  const labels = Object.keys(selector.matchLabels ?? {}).length;
  if (labels + (selector.matchExpressions?.length ?? 0) === 0) {
    // Kubernetes says `deployment` for a ReplicaSet too.
    invalid(errors, 'spec.selector', selector, 'empty selector is invalid for deployment');
  }
  const own = (template?.metadata?.labels ?? {}) as Readonly<Record<string, string>>;
  if (!matchesSelector(selector as LabelSelector, own)) {
    invalid(errors, 'spec.template.metadata.labels', own, '`selector` does not match template `labels`');
  }
  return undefined;
}

export function validateLabelSelector(errors: Errors, selector: Loose<LabelSelector>, path: string): void {
  validateLabels(errors, `${path}.matchLabels`, selector.matchLabels);
  for (const [i, expression] of (selector.matchExpressions ?? []).entries()) {
    const at = `${path}.matchExpressions[${i}]`;
    const { key = '', operator, values = [] } = expression;
    switch (operator) {
      case 'In': case 'NotIn':
        if (values.length > 0) break;
        required(errors, `${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
        break;
      case 'Exists': case 'DoesNotExist':
        if (values.length === 0) break;
        forbidden(errors, `${at}.values`,
          "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        break;
      default: invalid(errors, `${at}.operator`, operator ?? '', 'not a valid selector operator');
    }
    invalidEach(errors, `${at}.key`, key, labelKeyErrors(key));
    for (const [j, value] of values.entries()) {
      invalidEach(errors, `${at}.values[${j}]`, value, labelValueErrors(value));
    }
  }
}

/** Numbers of a status that can't be below zero. */
export function validateCounts(errors: Errors, object: KubeObject, names: readonly string[]): void {
  const status = (object as { status?: Readonly<Record<string, number>> }).status ?? {};
  for (const name of names) nonNegative(errors, `status.${name}`, status[name]);
}

export const workloadScale: NonNullable<Resource['scale']> = {
  specReplicas: (object) => specOf(object).replicas ?? 1,
  withReplicas: (object, replicas) => Object.assign({ ...object }, { spec: { ...specOf(object), replicas } }),
  statusReplicas: (object) => (object as { status?: { replicas?: number } }).status?.replicas ?? 0,
  selector: (object) => {
    const { selector } = specOf(object);
    return selector === undefined ? '' : selectorText(selector as LabelSelector);
  },
};
