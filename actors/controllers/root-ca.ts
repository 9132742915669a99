// Every active namespace has a ConfigMap `kube-root-ca.crt`, by which what runs there knows the API servers.
// Source: Kubernetes, rootcacertpublisher.
// What always holds: what somebody deletes or changes of it comes back.

import { authorityIn, authorityKey } from '../../cluster/api/access/authority.ts';
import { createOp, keyOf, newborn, resources, updateOp } from '../../cluster/api/objects.ts';
import type { ConfigMap, Namespace } from '../../cluster/api/types.ts';
import { sameContent } from '../../cluster/canonical.ts';
import { objectKey, splitKey } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { get, list } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import { nothing } from './controller.ts';
import type { ControllerDefinition, ReconcileContext, Reconciliation } from './controller.ts';

const mapName = 'kube-root-ca.crt';
const descriptionAnnotation = 'kubernetes.io/description';
const description = 'Contains a CA bundle that can be used to verify the kube-apiserver when using internal '
  + 'endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed '
  + 'across distributions of Kubernetes clusters.';

export const rootCaController: ControllerDefinition = {
  name: 'root-ca',
  component: 'root-ca-certificate-publishing-controller',
  keysOf: (state, { type, key }) => {
    const { resource, namespace, name } = splitKey(key);
    if (resource === resources.namespaces) return type === 'DELETED' ? [] : [key];
    if (key === authorityKey) return allNamespaces(state);
    const ours = resource === resources.configMaps && name === mapName;
    return ours ? [objectKey(resources.namespaces, '', namespace)] : [];
  },
  allKeys: allNamespaces,
  reconcile: publish,
};

function allNamespaces(state: State): readonly string[] {
  return list<Namespace>(state, resources.namespaces).map((one) => keyOf(resources.namespaces, one));
}

export function publish(state: State, key: string, context: ReconcileContext): Reconciliation {
  const namespace = get<Namespace>(state, key as ObjectKey), authority = authorityIn(state);
  if (authority === null || namespace === null) return nothing;
  if (namespace.metadata.deletionTimestamp !== undefined) return nothing;
  const { name } = namespace.metadata, data = { 'ca.crt': authority.cert };
  const stored = get<ConfigMap>(state, objectKey(resources.configMaps, name, mapName));
  if (stored === null) {
    const annotations = { [descriptionAnnotation]: description };
    const map = newborn({
      apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: mapName, namespace: name, annotations }, data,
    }, { uid: context.newUid(), nowWallMs: context.nowWallMs });
    return { steps: [{ ops: [createOp(resources.configMaps, map)] }] };
  }
  const { annotations = {} } = stored.metadata;
  const isDescribed = (annotations[descriptionAnnotation] ?? '') !== '';
  if (isDescribed && sameContent(stored.data ?? {}, data)) return nothing;
  const described = { ...annotations, [descriptionAnnotation]: description };
  const mended: ConfigMap = { ...stored, metadata: { ...stored.metadata, annotations: described }, data };
  return { steps: [{ ops: [updateOp(resources.configMaps, stored, mended)] }] };
}
