// Groups that belong to the Kubernetes community (`*.k8s.io`): a definition in one says who approved it.
// Source: apiextensions-apiserver pkg/apihelpers (GetAPIApprovalState), pkg/controller/apiapproval.

import type { Condition } from '../types.ts';
import type { CustomResourceDefinition } from './definition.ts';

const annotationName = 'api-approved.kubernetes.io';
const see = 'see https://github.com/kubernetes/enhancements/pull/1111';

export interface Approval {
  readonly state: 'missing' | 'bypassed' | 'approved' | 'invalid';
  readonly annotation: string;
  readonly reason: string;
}

/** Null where the group needs no approval. */
export function approvalOf({ metadata, spec }: CustomResourceDefinition): Approval | null {
  if (!/(?:^|\.)(?:k8s|kubernetes)\.io$/.test(spec.group ?? '')) return null;
  const annotation = metadata.annotations?.[annotationName] ?? '';
  const needed = `protected groups must have approval annotation "${annotationName}"`;
  if (annotation === '') return { state: 'missing', annotation, reason: `${needed}, ${see}` };
  if (annotation.startsWith('unapproved')) {
    return { state: 'bypassed', annotation, reason: `not approved: ${JSON.stringify(annotation)}` };
  }
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?#\s]+\S*$/.test(annotation)) {
    return { state: 'approved', annotation, reason: `approved in ${annotation}` };
  }
  const reason = `${needed} with either a URL or a reason starting with "unapproved", ${see}`;
  return { state: 'invalid', annotation, reason };
}

const reasons: Readonly<Record<Approval['state'], string>> = {
  missing: 'MissingAnnotation', bypassed: 'UnapprovedAnnotation', approved: 'ApprovedAnnotation',
  invalid: 'InvalidAnnotation',
};

export function approvalCondition(definition: CustomResourceDefinition): Condition | null {
  const approval = approvalOf(definition);
  return approval === null ? null : {
    type: 'KubernetesAPIApprovalPolicyConformant', status: approval.state === 'approved' ? 'True' : 'False',
    reason: reasons[approval.state], message: approval.reason,
  };
}
