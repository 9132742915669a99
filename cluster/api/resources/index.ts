// Every kind that Shoal serves, in the order in which discovery lists them. The API is driven by this table
// alone: a kind is added by adding its `Resource` here.

import type { Resource } from '../resource.ts';

export const resourceTable: readonly Resource[] = [];

/** The resource of a request path; null where Shoal serves no such thing. `plural` is lower case. */
export function findResource(group: string, version: string, plural: string): Resource | null {
  return resourceTable.find((resource) =>
    resource.group === group && resource.version === version && resource.resource === plural) ?? null;
}

/** The resource of an object, by its `apiVersion` (`v1`, `apps/v1`) and `kind`. */
export function resourceByKind(apiVersion: string, kind: string): Resource | null {
  return resourceTable.find((resource) =>
    resource.kind === kind && apiVersionOf(resource) === apiVersion) ?? null;
}

function apiVersionOf(resource: Resource): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}
