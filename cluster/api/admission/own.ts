// What Shoal's own controllers make passes the same admission as what clients send: a ReplicaSet's pods are
// no way around a policy.
//
// Source of facts: Kubernetes' controllers, which are clients like others, each with a ServiceAccount in
// kube-system.
// What always holds: pure, as all of admission is; where a plug-in changed the object it is validated again.

import { requestId, resourceName } from '../../ids.ts';
import type { State } from '../../state/state.ts';
import { validateMetadata } from '../metadata.ts';
import { plainJson } from '../output.ts';
import type { ApiContext, UserInfo } from '../request.ts';
import type { Resource } from '../resource.ts';
import { invalid, isProblem } from '../status.ts';
import type { Problem } from '../status.ts';
import type { KubeObject } from '../types.ts';
import type { Writing } from '../write.ts';
import { admission, mutate, validate } from './chain.ts';

/** A controller as Kubernetes knows it: `replicaset-controller`. */
export const controllerUser = (name: string): UserInfo => ({
  name: `system:serviceaccount:kube-system:${name}`,
  groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
});

/** A new object as it is to be stored, or why it is not to be. */
export function admitOwn<T extends KubeObject>(
  state: State, resource: Resource, object: T, user: UserInfo, nowWallMs: number,
): T | Problem {
  const writing = writingOf(state, resource, object, user, nowWallMs), { name } = object.metadata;
  // As from a client, the name is the server's to draw where there is a prefix for it.
  const given = object.metadata.generateName === undefined ? name : '';
  const admitted = mutate(admission(writing,
    { operation: 'CREATE', object, old: null, dryRun: false, name: given }));
  if (isProblem(admitted)) return admitted;
  const causes = admitted.object === object ? []
    : [...validateMetadata(admitted.object, null, resource), ...resource.validate(admitted.object, null)];
  if (causes.length > 0) return invalid(resource, name, causes);
  return validate(admitted.write) ?? admitted.object as T;
}

function writingOf(
  state: State, resource: Resource, { metadata }: KubeObject, user: UserInfo, nowWallMs: number,
): Writing {
  const { group, version, resource: plural } = resource, namespace = metadata.namespace ?? '';
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const path = `${root}${namespace === '' ? '' : `/namespaces/${namespace}`}/${plural}`;
  const context: ApiContext = {
    nowWallMs, uid: () => metadata.uid, suffix: () => metadata.name.slice(-5),
    peer: { ready: true, notReadyReason: '', serverAddress: '' },
  };
  return {
    request: {
      id: requestId(metadata.uid), method: 'POST', path, query: '', headers: {}, body: null, user,
    },
    route: {
      type: 'resource', resource, resourceName: resourceName(`${group === '' ? 'core' : group}/${plural}`),
      namespace, name: '', subresource: '',
    },
    query: new Map(), form: plainJson, state, context, audit: new Map(),
  };
}
