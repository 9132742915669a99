// What the founding peer brings into a new cluster's state: its id and the objects it was given (the CA, the
// first token keys). It is written by the first leader, once, as soon as kube-system is there.

import { objectKey } from '../../cluster/ids.ts';
import type { Term } from '../../cluster/ids.ts';
import { createOp, keyOf, newborn, resources } from '../../cluster/api/objects.ts';
import type { Namespace } from '../../cluster/api/types.ts';
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
    const missing = core.config.founding.filter(({ resource, object }) =>
      get(core.state, keyOf(resource, object)) === null);
    if (missing.length === 0) return;
    if (get(core.state, kubeSystem) === null) return core.arm('founding', retryMs, attempt);
    const ops = missing.map(({ resource, object }) => createOp(resource,
      newborn(object, { uid: services.newUid(), nowWallMs: services.wallMs() })));
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
