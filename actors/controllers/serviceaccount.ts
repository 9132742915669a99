// Every active namespace has a ServiceAccount `default`, the one that pods run as that name none.
// Source: Kubernetes, "Managing Service Accounts": ServiceAccount controller.

import { createOp, keyOf, newborn, resources } from '../../cluster/api/objects.ts';
import type { KubeObject, Namespace } from '../../cluster/api/types.ts';
import { objectKey, splitKey } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { get, list } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import { nothing } from './controller.ts';
import type { ControllerDefinition, ReconcileContext, Reconciliation } from './controller.ts';

export const serviceAccountController: ControllerDefinition = {
  name: 'serviceaccount',
  component: 'serviceaccount-controller',
  keysOf: (_, { type, key }) => {
    const { resource, namespace, name } = splitKey(key);
    if (resource === resources.namespaces) return type === 'DELETED' ? [] : [key];
    const missed = resource === resources.serviceAccounts && name === 'default' && type === 'DELETED';
    return missed ? [objectKey(resources.namespaces, '', namespace)] : [];
  },
  allKeys: (state) =>
    list<Namespace>(state, resources.namespaces).map((one) => keyOf(resources.namespaces, one)),
  reconcile: ensureDefault,
};

export function ensureDefault(state: State, key: string, context: ReconcileContext): Reconciliation {
  const namespace = get<Namespace>(state, key as ObjectKey);
  if (namespace === null || namespace.metadata.deletionTimestamp !== undefined) return nothing;
  const own = objectKey(resources.serviceAccounts, namespace.metadata.name, 'default');
  if (get<KubeObject>(state, own) !== null) return nothing;
  const account = newborn(
    {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'default', namespace: namespace.metadata.name },
    },
    { uid: context.newUid(), nowWallMs: context.nowWallMs },
  );
  return { steps: [{ ops: [createOp(resources.serviceAccounts, account)] }] };
}
