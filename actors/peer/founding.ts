// What the founding peer brings into a new cluster's state: its id and the objects it was given (the CA). It
// is written by the first leader, once, as soon as kube-system is there.

import { objectKey, resourceName } from '../../cluster/ids.ts';
import type { Term } from '../../cluster/ids.ts';
import { newborn, resources } from '../../cluster/api/objects.ts';
import type { KubeObject, Namespace } from '../../cluster/api/types.ts';
import type { Op } from '../../cluster/state/types.ts';
import { get } from '../../cluster/state/query.ts';
import type { PeerServices } from '../services.ts';
import type { Core } from './core.ts';

export interface Founding {
  /** This peer leads in `term`, or not any more. */
  leads(term: Term | null): void;
  /** The uid of kube-system: as good an id of a cluster as Kubernetes has. Empty before there is one. */
  clusterId(): string;
}

const retryMs = 200;

export function createFounding(core: Core, services: PeerServices): Founding {
  let leading: Term | null = null;
  const kubeSystem = objectKey(resources.namespaces, '', 'kube-system');

  function attempt(): void {
    if (leading === null) return;
    const missing = core.config.founding.filter(({ resource, namespace, name }) =>
      get(core.state, objectKey(resourceName(resource), namespace, name)) === null);
    if (missing.length === 0) return;
    if (get(core.state, kubeSystem) === null) return core.arm('founding', retryMs, attempt);
    const ops = missing.map(({ resource, namespace, name, type, data }): Op => {
      const object: KubeObject & { type: string; data: object } = newborn({
        apiVersion: 'v1', kind: resource === 'core/secrets' ? 'Secret' : 'ConfigMap',
        metadata: { name, namespace }, type, data,
      }, { uid: services.newUid(), nowWallMs: services.wallMs() });
      return { op: 'create', key: objectKey(resourceName(resource), namespace, name), object };
    });
    services.submit(ops, leading, (outcome) => {
      if (!outcome.ok) core.arm('founding', retryMs, attempt);
    });
  }

  return {
    leads(term) {
      leading = term;
      if (term !== null && core.config.founding.length > 0) core.defer(attempt);
    },
    clusterId: () => get<Namespace>(core.state, kubeSystem)?.metadata.uid ?? '',
  };
}
