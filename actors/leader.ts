// Everything that runs on the leader and nowhere else: node watch, scheduler, controllers.
// The peer makes it when its log becomes a ready leader and stops it when that ends. It starts from the state
// and the liveness at hand; nothing is handed over from one leader to the next.
// What always holds: every write carries the term it was made under, so that what this leader still has under
// way when it is deposed is refused.

import type { PeerId, Term } from '../cluster/ids.ts';
import type { Change } from '../cluster/state/types.ts';
import { bootstrapController } from './controllers/bootstrap.ts';
import { certificatesController } from './controllers/certificates.ts';
import { createController } from './controllers/controller.ts';
import type { ControllerDefinition } from './controllers/controller.ts';
import { definitionController } from './controllers/definition.ts';
import { deploymentController } from './controllers/deployment.ts';
import { endpointsController } from './controllers/endpoints.ts';
import { endpointsMirrorController } from './controllers/endpoints-mirror.ts';
import { endpointSliceController } from './controllers/endpointslice.ts';
import { eventController } from './controllers/event-ttl.ts';
import { defaultFlowsController } from './controllers/flows.ts';
import { garbageController } from './controllers/garbage.ts';
import { namespaceController } from './controllers/namespace.ts';
import { quotaController } from './controllers/quota.ts';
import { policyStatusController } from './controllers/policy-status.ts';
import { replicaSetController } from './controllers/replicaset.ts';
import { aggregationController, defaultRolesController } from './controllers/roles.ts';
import { rootCaController } from './controllers/root-ca.ts';
import { serviceAccountController } from './controllers/serviceaccount.ts';
import { tokenSecretsController } from './controllers/token-secrets.ts';
import { evictionController } from './node/eviction.ts';
import { createNodeActors } from './node/members.ts';
import { podCollectionController } from './node/pod-collection.ts';
import { createRecorder } from './recorder.ts';
import { createScheduler } from './scheduler/machine.ts';
import type { PeerServices } from './services.ts';

export interface LeaderActors {
  /** Each applied change, in order. */
  changes(changes: readonly Change[]): void;
  /** Gossip changed its view of this member. */
  liveness(peer: PeerId): void;
  stop(): void;
}

/** In the order in which they hear of a change. */
const definitions: readonly ControllerDefinition[] = [
  bootstrapController,
  defaultRolesController,
  defaultFlowsController,
  aggregationController,
  namespaceController,
  definitionController,
  quotaController,
  policyStatusController,
  serviceAccountController,
  tokenSecretsController,
  rootCaController,
  certificatesController,
  deploymentController,
  replicaSetController,
  endpointSliceController,
  endpointsController,
  endpointsMirrorController,
  evictionController,
  podCollectionController,
  garbageController,
  eventController,
];

export function createLeaderActors(services: PeerServices, term: Term): LeaderActors {
  const nodes = createNodeActors(services, term);
  const scheduler = createScheduler(services, term);
  const running = definitions.map((definition) => {
    const recorder = createRecorder(services, definition.component);
    return { recorder, controller: createController(services, term, recorder, definition) };
  });
  let stopped = false;
  services.trace('leader', 'started', { term });
  return {
    changes(changes) {
      if (stopped) return;
      nodes.changes(changes);
      scheduler.changes(changes);
      for (const { controller } of running) controller.changes(changes);
    },
    liveness(peer) { if (!stopped) nodes.liveness(peer); },
    stop() {
      if (stopped) return;
      stopped = true;
      nodes.stop();
      scheduler.stop();
      for (const { controller, recorder } of running) {
        controller.stop();
        recorder.stop();
      }
      services.trace('leader', 'stopped', { term });
    },
  };
}
