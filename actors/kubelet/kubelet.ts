// The kubelet: runs the pods that are bound to this peer's node, each in an actor of its own, and keeps the
// machine free of what no pod owns.
//
// `start` may be called only once the state is caught up with a leader: from then on what the state does not
// have is removed from the machine, and on a stale state that would kill what is wanted. A peer that is cut
// off later keeps its pods running and restarts their containers: nothing here waits for a write.
// What always holds: one actor per pod uid; no pod is run before the runtime has told what it has already.

import { objectKey, splitKey } from '../../cluster/ids.ts';
import { unreachable } from '../../cluster/assert.ts';
import { resources } from '../../cluster/api/objects.ts';
import type { StreamsRequest } from '../../cluster/api/request.ts';
import { parseTime } from '../../cluster/api/time.ts';
import type { ConfigMap, Pod, Secret, Service } from '../../cluster/api/types.ts';
import type { FlowTarget } from '../../cluster/flow.ts';
import type { ContainerFact, ContainersEvent, SandboxFact } from '../../cluster/ports.ts';
import { get, list, podsOnNode } from '../../cluster/state/query.ts';
import type { Change } from '../../cluster/state/types.ts';
import { isEnded } from '../controllers/pod-state.ts';
import type { Lookup } from '../pod/context.ts';
import { logContainer } from '../pod/status.ts';
import { flowTarget } from '../pod/target.ts';
import type { Recorder } from '../recorder.ts';
import { startRoot } from '../root.ts';
import type { PeerServices, RuntimeResult } from '../services.ts';
import { rejection, sumRequests } from './admit.ts';
import { createKubeletMachine } from './machine.ts';
import { createSweeper } from './orphans.ts';
import { createPodActor } from './pod-actor.ts';
import type { PodActor } from './pod-actor.ts';
import { createPuller } from './puller.ts';
import { createRegistration } from './registration.ts';
import { createUsageMeter } from './usage.ts';
import type { UsageMeter } from './usage.ts';

export interface Kubelet {
  /** Registers the Node and begins to run pods. The state must be caught up with a leader. */
  start(): void;
  /** What was applied, in order; after a snapshot, what leads from the old state to it. */
  changes(changes: readonly Change[]): void;
  fact(event: ContainersEvent): void;
  /** Whether pods can run here, for this peer's beat. */
  ready(): { readonly ready: boolean; readonly reason: string };
  /** What is not asked for by the pods that hold a share of this node. */
  free(): { readonly cpuMilli: number; readonly memoryBytes: number };
  /** The id of the container whose log is meant, or null. */
  container(podUid: string, name: string, previous: boolean): string | null;
  /** What an exec, attach or port-forward leads to; null: it does not run here. */
  target(streams: StreamsRequest, port: number): FlowTarget | null;
  /** What this machine and its pods use. */
  readonly usage: Pick<UsageMeter, 'measure'>;
  /** Ends the actors. The containers go on. */
  stop(): void;
}

export function createKubelet(services: PeerServices, recorder: Recorder): Kubelet {
  const pods = new Map<string, PodActor>();
  const registration = createRegistration(services);
  const sweeper = createSweeper(services);
  const puller = createPuller(services);
  const lookup = stateLookup(services);
  const usage = createUsageMeter(services, () => [...pods.values()].map((actor) => actor.context()));
  const machine = startRoot(createKubeletMachine(ask), { id: 'kubelet', clock: services.clock });
  let up = true, health = '', adopted = false, stopped = false;

  // ── what the runtime has ─────────────────────────────────────────────────────────────────────────────

  function ask(): void {
    const askedMs = services.nowMs();
    services.runtime({ call: 'list' }, (result) => answered(askedMs, result));
  }

  function answered(askedMs: number, result: RuntimeResult): void {
    if (stopped) return;
    if (!result.ok || result.list === undefined) {
      if (!result.ok) noteHealth(false, result.failure.message);
      machine.send({ type: 'list-failed' });
      return;
    }
    const { sandboxes, containers } = result.list;
    noteHealth(true, '');
    if (adopted) {
      for (const [uid, actor] of pods) {
        const mine = ofPod(uid, sandboxes, containers);
        actor.send({ type: 'listed', askedMs, ...mine });
      }
    } else {
      adopted = true;
      const found = [...podsOnNode(services.state(), services.self.name)].sort(byAge);
      for (const pod of found) run(pod, ofPod(pod.metadata.uid, sandboxes, containers));
      services.trace('kubelet', 'adopted', { pods: found.length, containers: containers.length });
    }
    sweeper.sweep(sandboxes, containers, isOwned);
    machine.send({ type: 'listed' });
  }

  /** The actor's word counts while it lives; a pod of the state without an actor yet is owned as well. */
  function isOwned(uid: string): boolean {
    const actor = pods.get(uid);
    if (actor !== undefined) return !actor.hasEnded();
    return podsOnNode(services.state(), services.self.name).some(({ metadata }) => metadata.uid === uid);
  }

  function noteHealth(isUp: boolean, message: string): void {
    if (isUp === up && message === health) return;
    services.trace('kubelet', 'runtime', { up: isUp, message });
    const cameBack = isUp && !up;
    up = isUp;
    health = message;
    if (cameBack) for (const actor of [...pods.values()]) actor.send({ type: 'runtime-up' });
  }

  // ── pods ─────────────────────────────────────────────────────────────────────────────────────────────

  function run(pod: Pod, found: Inventory): void {
    const { uid } = pod.metadata;
    // One that was taken before, or is over or leaving, is not judged again.
    const isNew = pod.status?.startTime === undefined && found.containers.length === 0 && !isEnded(pod)
      && pod.metadata.deletionTimestamp === undefined;
    const { capacity } = services.self;
    const verdict = isNew ? rejection(pod, holders(), { ...capacity, labels: registration.labels() }) : null;
    if (verdict !== null) recorder.event(pod, 'Warning', verdict.reason, verdict.message);
    const rejected = verdict === null ? null
      : { reason: verdict.reason, message: `Pod was rejected: ${verdict.message}` };
    const parts = { recorder, puller, lookup, over: () => drop(uid) };
    pods.set(uid, createPodActor(services, parts, { pod, ...found, verdict: rejected }));
  }

  function drop(uid: string): void {
    pods.get(uid)?.stop();
    pods.delete(uid);
  }

  /** The pods that hold a share of this node, in the order in which they came. */
  function holders(): Pod[] {
    return [...pods.values()].filter((actor) => actor.holdsResources()).map((actor) => actor.pod());
  }

  function podChanged(change: Change): void {
    const pod = change.object as Pod;
    const { uid } = pod.metadata;
    const previous = change.previous as Pod | null;
    // Deleted and made again under the same name within one snapshot.
    if (previous !== null && previous.metadata.uid !== uid) pods.get(previous.metadata.uid)?.removed();
    if (pod.spec.nodeName !== services.self.name) return;
    const actor = pods.get(uid);
    if (change.type === 'DELETED') actor?.removed();
    else if (actor !== undefined) actor.changed(pod);
    else run(pod, { sandboxes: [], containers: [] });
  }

  function referenceChanged(namespace: string): void {
    for (const actor of [...pods.values()]) {
      if (actor.pod().metadata.namespace === namespace) actor.referencesChanged();
    }
  }

  function changed(change: Change): void {
    const { resource, namespace, name } = splitKey(change.key);
    if (resource === resources.nodes && name === services.self.name) {
      registration.changed(change.type === 'DELETED');
    }
    if (!adopted) return;
    if (resource === resources.pods) podChanged(change);
    else if (resource === resources.configMaps || resource === resources.secrets) referenceChanged(namespace);
  }

  function fact(event: ContainersEvent): void {
    if (stopped) return;
    switch (event.type) {
      case 'container-changed': {
        return pods.get(event.container.pod.uid)?.send({ type: 'container', container: event.container });
      }
      case 'sandbox-changed': {
        return pods.get(event.sandbox.pod.uid)?.send({ type: 'sandbox', sandbox: event.sandbox });
      }
      case 'container-gone': case 'sandbox-gone': {
        for (const actor of [...pods.values()]) actor.gone(event.type, event.id);
        return;
      }
      case 'runtime-health': {
        noteHealth(event.up, event.message);
        if (event.up) machine.send({ type: 'runtime-up' });
        return;
      }
      case 'runtime-done': case 'runtime-failed': case 'log-chunk': case 'log-end':
      case 'flow-output': case 'flow-taken': case 'flow-end': return;
      default: return unreachable(event);
    }
  }

  return {
    start() {
      registration.start();
      machine.send({ type: 'start' });
    },
    changes(changes) { for (const change of changes) changed(change); },
    fact,
    ready() {
      if (!up) return { ready: false, reason: `the container runtime is down: ${health}` };
      if (!adopted) return { ready: false, reason: 'the container runtime has not told yet what it runs' };
      return { ready: true, reason: '' };
    },
    free() {
      const used = sumRequests(holders()), { capacity } = services.self;
      return {
        cpuMilli: Math.max(0, capacity.cpuMilli - used.cpuMilli),
        memoryBytes: Math.max(0, capacity.memoryBytes - used.memoryBytes),
      };
    },
    container(podUid, name, previous) {
      const actor = pods.get(podUid);
      return actor === undefined ? null : logContainer(actor.context(), name, previous);
    },
    target(streams, port) {
      const actor = pods.get(streams.podUid);
      return actor === undefined ? null : flowTarget(actor.context(), streams, port);
    },
    usage,
    stop() {
      stopped = true;
      machine.stop();
      usage.stop();
      registration.stop();
      recorder.stop();
      for (const actor of pods.values()) actor.stop();
      pods.clear();
    },
  };
}

interface Inventory {
  readonly sandboxes: readonly SandboxFact[];
  readonly containers: readonly ContainerFact[];
}

function ofPod(
  uid: string, sandboxes: readonly SandboxFact[], containers: readonly ContainerFact[],
): Inventory {
  return {
    sandboxes: sandboxes.filter(({ pod }) => pod.uid === uid),
    containers: containers.filter(({ pod }) => pod.uid === uid),
  };
}

/** Older pods are admitted first; a tie is broken by name. */
function byAge(a: Pod, b: Pod): number {
  const born = (pod: Pod): number => parseTime(pod.metadata.creationTimestamp) ?? 0;
  if (born(a) !== born(b)) return born(a) - born(b);
  const name = ({ metadata }: Pod): string => `${metadata.namespace ?? ''}/${metadata.name}`;
  return name(a) < name(b) ? -1 : 1;
}

function stateLookup(services: PeerServices): Lookup {
  return {
    configMap: (namespace, name) =>
      get<ConfigMap>(services.state(), objectKey(resources.configMaps, namespace, name)),
    secret: (namespace, name) => get<Secret>(services.state(), objectKey(resources.secrets, namespace, name)),
    services: (namespace) => list<Service>(services.state(), resources.services, namespace),
  };
}
