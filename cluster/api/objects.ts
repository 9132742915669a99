// Making and changing objects outside of a client's request: what the scheduler, the controllers and the
// kubelet need to write. Objects are never changed in place.

import { objectKey, resourceName, revision, uid } from '../ids.ts';
import type { ObjectKey, ResourceName } from '../ids.ts';
import type { Expectation, Op } from '../state/types.ts';
import { rfc3339 } from './time.ts';
import type { KubeObject, ObjectMeta, OwnerReference } from './types.ts';

/** Of an EndpointSlice: the Service that it is of. */
export const serviceNameLabel = 'kubernetes.io/service-name';

/** The resources that Shoal's own actors read and write. */
export const resources = {
  namespaces: resourceName('core/namespaces'),
  nodes: resourceName('core/nodes'),
  pods: resourceName('core/pods'),
  services: resourceName('core/services'),
  events: resourceName('core/events'),
  configMaps: resourceName('core/configmaps'),
  secrets: resourceName('core/secrets'),
  serviceAccounts: resourceName('core/serviceaccounts'),
  replicaSets: resourceName('apps/replicasets'),
  deployments: resourceName('apps/deployments'),
  endpointSlices: resourceName('discovery.k8s.io/endpointslices'),
  leases: resourceName('coordination.k8s.io/leases'),
  endpoints: resourceName('core/endpoints'),
  resourceQuotas: resourceName('core/resourcequotas'),
  signingRequests: resourceName('certificates.k8s.io/certificatesigningrequests'),
  roles: resourceName('rbac.authorization.k8s.io/roles'),
  roleBindings: resourceName('rbac.authorization.k8s.io/rolebindings'),
  clusterRoles: resourceName('rbac.authorization.k8s.io/clusterroles'),
  clusterRoleBindings: resourceName('rbac.authorization.k8s.io/clusterrolebindings'),
} as const;

export function keyOf(resource: ResourceName,
  object: { metadata: { namespace?: string; name: string } }): ObjectKey {
  return objectKey(resource, object.metadata.namespace ?? '', object.metadata.name);
}

/** What a new object needs from its maker; resourceVersion is given by `apply`. */
export interface Birth { readonly uid: string; readonly nowWallMs: number }

/**
 * A new object with identity: uid, creationTimestamp, empty resourceVersion. Its maker
 * gives it generation 1 where its kind counts them.
 */
export function newborn<T extends { metadata: Partial<ObjectMeta> & { name: string } }>(
  object: T, birth: Birth,
): T & { metadata: ObjectMeta } {
  const metadata: ObjectMeta = {
    ...object.metadata, uid: birth.uid, resourceVersion: '',
    creationTimestamp: rfc3339(birth.nowWallMs),
  };
  return { ...object, metadata };
}

export function createOp(resource: ResourceName, object: KubeObject): Op {
  return { op: 'create', key: keyOf(resource, object), object };
}

/** Replaces the object, only if nobody changed it since `seen`. */
export function updateOp<T extends KubeObject>(resource: ResourceName, seen: T, object: T): Op {
  return { op: 'update', key: keyOf(resource, seen), object, expect: expectSame(seen) };
}

export function deleteOp(resource: ResourceName, seen: KubeObject): Op {
  return { op: 'delete', key: keyOf(resource, seen), expect: expectSame(seen) };
}

/** The object must be the very version that was seen. */
export function expectSame(seen: KubeObject): Expectation {
  return { revision: revision(Number(seen.metadata.resourceVersion)), uid: uid(seen.metadata.uid) };
}

export function controllerOf(object: KubeObject): OwnerReference | null {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true) ?? null;
}

export function ownerReference(owner: KubeObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion, kind: owner.kind, name: owner.metadata.name, uid: owner.metadata.uid,
    controller: true, blockOwnerDeletion: true,
  };
}
