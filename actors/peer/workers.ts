// What a peer does besides agreeing: runs pods, carries traffic, and, while it leads, schedules and controls.
//
// What always holds: the leader's actors live exactly as long as this peer is a ready leader of one term and
// its state holds all that earlier terms committed; the kubelet starts once the state is caught up, and never
// acts on an older one.

import type { Term } from '../../cluster/ids.ts';
import type { LogsRequest, StreamsRequest } from '../../cluster/api/request.ts';
import type { FlowTarget } from '../../cluster/flow.ts';
import type { ContainersEvent } from '../../cluster/ports.ts';
import type { Change } from '../../cluster/state/types.ts';
import type { PeerId } from '../../cluster/ids.ts';
import { createKubelet } from '../kubelet/kubelet.ts';
import type { Kubelet } from '../kubelet/kubelet.ts';
import type { UsageDone } from '../kubelet/usage.ts';
import { createLeaderActors } from '../leader.ts';
import type { LeaderActors } from '../leader.ts';
import { createRecorder } from '../recorder.ts';
import { createServiceActor } from '../service/machine.ts';
import type { PeerServices } from '../services.ts';
import type { RoleView } from './consensus.ts';
import type { Core } from './core.ts';

export interface Workers {
  /** The state is caught up with the cluster: pods may be run. */
  caughtUp(): void;
  role(view: RoleView): void;
  changes(changes: readonly Change[]): void;
  /** The state was replaced by a snapshot; `changes` lead from the old one to it. */
  replaced(changes: readonly Change[]): void;
  liveness(peer: PeerId): void;
  fact(event: ContainersEvent): void;
  container(logs: LogsRequest): string | null;
  target(streams: StreamsRequest, port: number): FlowTarget | null;
  ready(): { readonly ready: boolean; readonly reason: string };
  measure(done: UsageDone): void;
  free(): { readonly cpuMilli: number; readonly memoryBytes: number };
  stop(): void;
}

export function createWorkers(core: Core, services: PeerServices,
  leads: (term: Term | null) => void): Workers {
  const kubelet: Kubelet = createKubelet(services, createRecorder(services, 'kubelet', services.self.name));
  const routes = createServiceActor(services);
  let leader: { readonly term: Term; readonly actors: LeaderActors } | null = null;
  let started = false;

  function depose(): void {
    if (leader === null) return;
    leader.actors.stop();
    leader = null;
    leads(null);
  }

  return {
    caughtUp() {
      if (started) return;
      started = true;
      kubelet.start();
    },
    role(view) {
      const term = view.role === 'leader' && view.ready ? view.term : null;
      if (leader !== null && leader.term === term) return;
      depose();
      if (term === null) return;
      leader = { term, actors: createLeaderActors(services, term) };
      leads(term);
    },
    changes(changes) {
      kubelet.changes(changes);
      routes.changes(changes);
      leader?.actors.changes(changes);
    },
    replaced(changes) {
      // A leader never installs a snapshot; whoever does is not one any more.
      depose();
      kubelet.changes(changes);
      routes.reset();
    },
    liveness: (peer) => leader?.actors.liveness(peer),
    fact: (event) => kubelet.fact(event),
    container: (logs) => kubelet.container(logs.podUid, logs.container, logs.previous),
    target: (streams, port) => kubelet.target(streams, port),
    ready: () => kubelet.ready(),
    measure: (done) => kubelet.usage.measure(done),
    free: () => kubelet.free(),
    stop() {
      depose();
      kubelet.stop();
      routes.stop();
      core.trace('peer', 'workers-stopped', {});
    },
  };
}
