// What makes a pod's specification valid, for Pod, ReplicaSet and Deployment; its containers are judged in
// `containervalidate.ts`. Source: Kubernetes, pkg/apis/core/validation.

import type { PodSpec, PodTemplateSpec, Toleration } from '../types.ts';
import { validateContainers } from './containervalidate.ts';
import {
  labelKeyErrors, labelValueErrors, nameErrors, validateAnnotations, validateLabels,
} from './names.ts';
import { refuse, refusedInPodSpec } from './unsupported.ts';
import {
  forbidden, invalid, invalidEach, nonNegative, notSupported, oneOf, rangeMessage,
} from './validate.ts';
import type { Errors, Loose } from './validate.ts';

export const int32Max = 2_147_483_647;

/** `refused`: what is not supported of a pod's own specification, or of that in a template. */
export function validatePodSpec(
  errors: Errors, spec: Loose<PodSpec>, path: string, refused = refusedInPodSpec,
): void {
  validateContainers(errors, spec, path);
  oneOf(errors, `${path}.restartPolicy`, spec.restartPolicy, ['Always', 'OnFailure', 'Never']);
  const dnsPolicies = ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'];
  oneOf(errors, `${path}.dnsPolicy`, spec.dnsPolicy, dnsPolicies);
  nonNegative(errors, `${path}.terminationGracePeriodSeconds`, spec.terminationGracePeriodSeconds);
  validateLabels(errors, `${path}.nodeSelector`, spec.nodeSelector);
  validateSpecNames(errors, spec, path);
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > int32Max)) {
    invalid(errors, `${path}.activeDeadlineSeconds`, deadline, rangeMessage(1, int32Max));
  }
  for (const [i, toleration] of (spec.tolerations ?? []).entries()) {
    validateToleration(errors, toleration, `${path}.tolerations[${i}]`);
  }
  const { preemptionPolicy } = spec as { readonly preemptionPolicy?: string };
  if (preemptionPolicy) {
    oneOf(errors, `${path}.preemptionPolicy`, preemptionPolicy, ['PreemptLowerPriority', 'Never']);
  }
  refuse(errors, refused, spec, path);
}

function validateSpecNames(errors: Errors, spec: Loose<PodSpec>, path: string): void {
  if (spec.serviceAccountName) {
    invalidEach(errors, `${path}.serviceAccountName`, spec.serviceAccountName,
      nameErrors(spec.serviceAccountName, 'subdomain'));
  }
  if (spec.nodeName) {
    invalidEach(errors, `${path}.nodeName`, spec.nodeName, nameErrors(spec.nodeName, 'subdomain'));
  }
  if (spec.hostname) {
    invalidEach(errors, `${path}.hostname`, spec.hostname, nameErrors(spec.hostname, 'label'));
  }
  const scheduler = spec.schedulerName ?? '';
  invalidEach(errors, `${path}.schedulerName`, scheduler, nameErrors(scheduler, 'subdomain'));
}

export const taintEffects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] as const;

export function validateToleration(errors: Errors, toleration: Loose<Toleration>, path: string): void {
  const { key = '', operator = '', value = '', effect = '' } = toleration as Readonly<Record<string, string>>;
  if (key !== '') invalidEach(errors, `${path}.key`, key, labelKeyErrors(key));
  else if (operator !== 'Exists') {
    invalid(errors, `${path}.operator`, operator,
      'operator must be Exists when `key` is empty, which means "match all values and all keys"');
  }
  if (toleration.tolerationSeconds !== undefined && effect !== 'NoExecute') {
    invalid(errors, `${path}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
  }
  if (operator === 'Exists') {
    if (value !== '') {
      invalid(errors, `${path}.operator`, toleration, "value must be empty when `operator` is 'Exists'");
    }
  } else if (operator === '' || operator === 'Equal') {
    invalidEach(errors, `${path}.operator`, value, labelValueErrors(value));
  } else notSupported(errors, `${path}.operator`, operator, ['Equal', 'Exists']);
  if (effect !== '' && !(taintEffects as readonly string[]).includes(effect)) {
    notSupported(errors, `${path}.effect`, effect, taintEffects);
  }
}

/** A template of pods. `path`: `spec.template`. */
export function validateTemplate(errors: Errors, template: Loose<PodTemplateSpec>, path: string): void {
  validateLabels(errors, `${path}.labels`, template.metadata?.labels);
  validateAnnotations(errors, `${path}.annotations`, template.metadata?.annotations);
  validatePodSpec(errors, template.spec ?? {}, `${path}.spec`);
  if ((template.spec?.ephemeralContainers ?? []).length > 0) {
    forbidden(errors, `${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template');
  }
}

/** The template of pods that are to run for ever. `owner`: the kind that Kubernetes names in the message. */
export function validatePodTemplate(
  errors: Errors, template: Loose<PodTemplateSpec>, path: string, owner = 'ReplicaSet',
): void {
  validateTemplate(errors, template, path);
  const spec = template.spec ?? {};
  if (spec.restartPolicy === 'OnFailure' || spec.restartPolicy === 'Never') {
    notSupported(errors, `${path}.spec.restartPolicy`, spec.restartPolicy, ['Always']);
  }
  if (spec.activeDeadlineSeconds !== undefined) {
    forbidden(errors, `${path}.spec.activeDeadlineSeconds`,
      `activeDeadlineSeconds in ${owner} is not Supported`);
  }
}
