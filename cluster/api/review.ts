// SelfSubjectAccessReview and its kin: what the asker may do, and who it is. Asked and answered, never
// stored.
//
// Who may do what is not restricted yet: whoever holds a certificate of the cluster's CA may do everything.
// Source: Kubernetes API, authorization.k8s.io/v1 and authentication.k8s.io/v1.

import { shownUser } from './access/tokenreview.ts';
import { isObject } from './body.ts';
import type { Json } from './body.ts';
import type { UserInfo } from './request.ts';
import type { Route } from './route.ts';
import { apiVersionOf } from './output.ts';
import { reviews } from './route.ts';

export type ReviewKind = Exclude<Extract<Route, { type: 'review' }>['kind'], 'TokenReview'>;

/** The review with its answer, around what was asked. */
export function reviewOf(kind: ReviewKind, asked: Json, user: UserInfo): object {
  const { metadata = {}, spec = {} } = isObject(asked) ? asked : {};
  const group = reviews.find((review) => review.kind === kind)?.group ?? '', version = 'v1';
  return { kind, apiVersion: apiVersionOf({ group, version }), metadata, spec, status: statusOf(kind, user) };
}

function statusOf(kind: ReviewKind, user: UserInfo): object {
  switch (kind) {
    case 'SelfSubjectAccessReview': return { allowed: true };
    case 'SelfSubjectReview': return { userInfo: shownUser(user) };
    case 'SelfSubjectRulesReview':
      return {
        resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
        nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }], incomplete: false,
      };
  }
}
