// The leader's watch over all nodes: a machine for each, and the controllers that write what follows from
// them. What always holds: there is one machine per Node object, it ends with the object, and all end with
// the term.

import type { Beat, Liveness } from '../../cluster/gossip/types.ts';
import { deleteOp, keyOf, resources } from '../../cluster/api/objects.ts';
import type { Node } from '../../cluster/api/types.ts';
import { objectKey, peerId, splitKey } from '../../cluster/ids.ts';
import type { ObjectKey, PeerId, Term } from '../../cluster/ids.ts';
import { get, list, podsOnNode } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Change } from '../../cluster/state/types.ts';
import { createController, nothing } from '../controllers/controller.ts';
import type { Controller, ControllerDefinition } from '../controllers/controller.ts';
import { createRecorder } from '../recorder.ts';
import { startRoot } from '../root.ts';
import type { RootActor } from '../root.ts';
import type { PeerServices } from '../services.ts';
import { lifecycleSteps, peerIdAnnotation, readyStatus } from './lifecycle.ts';
import { nodeMachine } from './machine.ts';
import type { NodePhase } from './machine.ts';

export interface NodeActors {
  changes(changes: readonly Change[]): void;
  liveness(peer: PeerId): void;
  stop(): void;
}

type Machine = ReturnType<typeof nodeMachine>;
interface Watched { readonly actor: RootActor<Machine>; peer: PeerId | null }

export function createNodeActors(services: PeerServices, term: Term): NodeActors {
  const watched = new Map<string, Watched>();
  const byPeer = new Map<PeerId, Set<string>>();
  const recorder = createRecorder(services, 'node-controller');
  const phaseOf = (name: string): NodePhase | null => {
    const one = watched.get(name);
    return one === undefined ? null : one.actor.snapshot().value as NodePhase;
  };
  // Machines start before the controller: what they find at once, it looks at in its first round.
  let lifecycle: Controller | null = null;
  const machine = nodeMachine((name) => lifecycle?.wake([objectKey(resources.nodes, '', name)]));
  for (const node of list<Node>(services.state(), resources.nodes)) watch(node);
  lifecycle = createController(services, term, recorder, lifecycleController(services, phaseOf));

  function watch(node: Node): void {
    const { name } = node.metadata;
    const known = watched.get(name);
    const one = known ?? {
      actor: startRoot(machine, {
        id: `nodes/${name}`, clock: services.clock,
        input: { name, alreadyUnreachable: readyStatus(node) === 'Unknown' },
      }),
      peer: null,
    };
    watched.set(name, one);
    const peer = peerOf(node);
    if (known !== undefined && peer === known.peer) return;
    forgetPeer(name, one.peer);
    one.peer = peer;
    if (peer !== null) byPeer.set(peer, (byPeer.get(peer) ?? new Set()).add(name));
    see(one);
  }

  function see({ actor, peer }: Watched): void {
    const status: Liveness | 'silent' = peer === null ? 'silent' : services.liveness(peer).status;
    const before = String(actor.snapshot().value);
    actor.send({ type: 'seen', status });
    const phase = String(actor.snapshot().value);
    if (phase === before) return;
    services.trace('node', 'phase', { node: actor.snapshot().context.name, status, phase });
  }

  function forgetPeer(name: string, peer: PeerId | null): void {
    if (peer === null) return;
    const names = byPeer.get(peer);
    names?.delete(name);
    if (names?.size === 0) byPeer.delete(peer);
  }

  function unwatch(name: string): void {
    const one = watched.get(name);
    if (one === undefined) return;
    one.actor.stop();
    forgetPeer(name, one.peer);
    watched.delete(name);
  }

  return {
    changes(changes) {
      for (const { type, key, object } of changes) {
        if (splitKey(key).resource !== resources.nodes) continue;
        if (type === 'DELETED') unwatch(object.metadata.name);
        else watch(object as Node);
      }
      lifecycle.changes(changes);
    },
    liveness(peer) {
      const names = [...byPeer.get(peer) ?? []].sort();
      for (const name of names) {
        const one = watched.get(name);
        if (one !== undefined) see(one);
      }
      // Whoever is no member any more has no Node.
      if (services.liveness(peer).stranger !== true) return;
      lifecycle.wake(names.map((name) => objectKey(resources.nodes, '', name)));
    },
    stop() {
      for (const { actor } of watched.values()) actor.stop();
      lifecycle.stop();
      recorder.stop();
    },
  };
}

function peerOf(node: Node): PeerId | null {
  const text = node.metadata.annotations?.[peerIdAnnotation];
  return text === undefined ? null : peerId(text);
}

function lifecycleController(
  services: PeerServices,
  phaseOf: (name: string) => NodePhase | null,
): ControllerDefinition {
  return {
    name: 'node-lifecycle',
    component: 'node-controller',
    keysOf: (_, { type, key }) =>
      splitKey(key).resource === resources.nodes && type !== 'DELETED' ? [key] : [],
    allKeys: (state: State) => list<Node>(state, resources.nodes).map((node) => keyOf(resources.nodes, node)),
    reconcile: (state, key, { nowWallMs }) => {
      const node = get<Node>(state, key as ObjectKey);
      const phase = node === null ? null : phaseOf(node.metadata.name);
      if (node === null || phase === null) return nothing;
      const peer = peerOf(node), known = peer === null ? null : services.liveness(peer);
      if (known?.stranger === true) return { steps: [{ ops: [deleteOp(resources.nodes, node)] }] };
      const beat: Beat | null = known?.beat ?? null;
      const pods = phase === 'unreachable' || phase === 'lost' ? podsOnNode(state, node.metadata.name) : [];
      const steps = lifecycleSteps(node, pods, phase, beat, nowWallMs);
      return steps.length === 0 ? nothing : { steps };
    },
  };
}
