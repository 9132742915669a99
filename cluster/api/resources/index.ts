// Every kind that Shoal serves, in the order in which discovery lists them. The API is driven by this table
// alone: a kind is added by adding its `Resource` here.

import type { Resource } from '../resource.ts';
import { binding } from './binding.ts';
import { configMap } from './configmap.ts';
import { deployment } from './deployment.ts';
import { endpointSlice } from './endpointslice.ts';
import { event } from './event.ts';
import { lease } from './lease.ts';
import { namespace } from './namespace.ts';
import { node } from './node.ts';
import { pod } from './pod.ts';
import { clusterRole, clusterRoleBinding, role, roleBinding } from './rbac.ts';
import { replicaSet } from './replicaset.ts';
import { secret } from './secret.ts';
import { service } from './service.ts';
import { serviceAccount } from './serviceaccount.ts';

export const resourceTable: readonly Resource[] = [
  binding, configMap, event, namespace, node, pod, secret, serviceAccount, service,
  deployment, replicaSet,
  lease,
  endpointSlice,
  clusterRoleBinding, clusterRole, roleBinding, role,
];

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
