// What a path names: a collection or an object of a kind, a subresource, or one of the API server's own
// pages.

import { resourceName } from '../ids.ts';
import type { ResourceName } from '../ids.ts';
import type { Registry } from './registry.ts';
import type { Resource } from './resource.ts';
import { badRequest, noSuchPath } from './status.ts';
import type { Problem } from './status.ts';

export type Route =
  | ResourceRoute
  | { readonly type: 'page'; readonly parts: readonly string[] }
  /** Requests that are answered, never stored. */
  | {
      readonly type: 'review'; readonly kind: (typeof reviews)[number]['kind'];
      /** Empty but for a LocalSubjectAccessReview. */
      readonly namespace: string;
    };

export interface ResourceRoute {
  readonly type: 'resource';
  readonly resource: Resource;
  readonly resourceName: ResourceName;
  /** Empty for a cluster-scoped kind, and for a list over all namespaces. */
  readonly namespace: string;
  /** Empty for a collection. */
  readonly name: string;
  /** Empty for the object itself. */
  readonly subresource: string;
}

/** Kinds that are asked and answered, never stored; all of version v1. */
export const reviews = [
  { group: 'authentication.k8s.io', resource: 'selfsubjectreviews', kind: 'SelfSubjectReview' },
  { group: 'authentication.k8s.io', resource: 'tokenreviews', kind: 'TokenReview' },
  { group: 'authorization.k8s.io', resource: 'localsubjectaccessreviews', kind: 'LocalSubjectAccessReview' },
  { group: 'authorization.k8s.io', resource: 'selfsubjectaccessreviews', kind: 'SelfSubjectAccessReview' },
  { group: 'authorization.k8s.io', resource: 'selfsubjectrulesreviews', kind: 'SelfSubjectRulesReview' },
  { group: 'authorization.k8s.io', resource: 'subjectaccessreviews', kind: 'SubjectAccessReview' },
] as const;

/** The one review that is asked within a namespace. */
export const isLocal = (kind: (typeof reviews)[number]['kind']): boolean =>
  kind === 'LocalSubjectAccessReview';

export function route(path: string, registry: Registry): Route | Problem {
  let parts: string[];
  try {
    parts = path.split('/').filter((part) => part !== '').map(decodeURIComponent);
  } catch {
    return badRequest('the path is not percent-encoded as it should be');
  }
  if (parts.some((part) => part.includes('/') || part.includes('\0'))) return noSuchPath();
  const [root, ...rest] = parts;
  if (root === 'api' && rest[0] === 'v1' && rest.length > 1) {
    return within(registry, '', 'v1', rest.slice(1));
  }
  if (root === 'apis' && rest.length > 2) {
    const review = reviewAt(rest);
    if (review !== null) return review;
    return within(registry, rest[0] ?? '', rest[1] ?? '', rest.slice(2));
  }
  return { type: 'page', parts };
}

function reviewAt([group, version, ...rest]: readonly string[]): Route | null {
  const [first, second = '', third] = rest, within = first === 'namespaces' && rest.length === 3;
  const review = reviews.find((each) => each.group === group && each.resource === (within ? third : first));
  if (review === undefined || version !== 'v1' || isLocal(review.kind) !== within) return null;
  if (!within && rest.length !== 1) return null;
  return { type: 'review', kind: review.kind, namespace: within ? second : '' };
}

export const groupOf = (resource: Resource): string => resource.group === '' ? 'core' : resource.group;

/** Where its objects lie in the state. */
export function nameOfResource(resource: Resource): ResourceName {
  const { resource: held } = resource.storage ?? { resource };
  return resourceName(`${groupOf(held)}/${held.resource}`);
}

function within(
  registry: Registry, group: string, version: string, parts: readonly string[],
): ResourceRoute | Problem {
  // `namespaces/x/pods` is about pods, `namespaces/x/status` about the namespace.
  const [first, second, third] = parts;
  const inside = first === 'namespaces' && second !== undefined && third !== undefined;
  if (inside && registry.find(group, version, third) !== null) {
    return found(registry, group, version, third, second, parts.slice(3));
  }
  if (first === undefined) return noSuchPath();
  const kept: readonly string[] = registry.find('', 'v1', 'namespaces')?.subresources ?? [];
  if (inside && !(group === '' && kept.includes(third))) return noSuchPath(unserved(group, version, third));
  return found(registry, group, version, first, '', parts.slice(1));
}

/** `pods/exec`, `jobs.batch/v1`; empty where it could be no kind's name. */
function unserved(group: string, version: string, plural: string): string {
  const name = group === '' ? plural : `${plural}.${group}/${version}`;
  return /^[a-z0-9./-]{1,253}$/.test(name) ? name : '';
}

function found(
  registry: Registry, group: string, version: string, plural: string, namespace: string,
  rest: readonly string[],
): ResourceRoute | Problem {
  const resource = registry.find(group, version, plural);
  const [name = '', subresource = ''] = rest;
  if (resource === null) return noSuchPath(unserved(group, version, plural));
  if (rest.length > 2) return noSuchPath();
  if (namespace !== '' && !resource.namespaced) return noSuchPath();
  // An object of a namespaced kind is found in its namespace only.
  if (resource.namespaced && namespace === '' && name !== '') return noSuchPath();
  const known: readonly string[] = resource.subresources;
  if (subresource !== '' && !known.includes(subresource)) {
    return noSuchPath(unserved(group, version, `${plural}/${subresource}`));
  }
  return { type: 'resource', resource, resourceName: nameOfResource(resource), namespace, name, subresource };
}
