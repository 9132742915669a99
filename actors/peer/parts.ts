// The events of a peer's ports, each to the part that it concerns, and the messages of other peers.
//
// What always holds: a message is decoded and guarded once, here; only members are listened to, strangers
// only on the join protocol.

import { unreachable } from '../../cluster/assert.ts';
import type { PeerId } from '../../cluster/ids.ts';
import type { LogDescription } from '../../cluster/log/log.ts';
import type { PeerMessage } from '../../cluster/messages.ts';
import type {
  ClientsEvent, ContainersEvent, DiskEvent, DiskRecovery, NetworkEvent, OutboundEvent,
} from '../../cluster/ports.ts';
import { eachTime } from '../../cluster/ports.ts';
import { decodeFeed, decodeMessage, isRefusal } from '../../cluster/wire.ts';
import type { Core, Timers } from './core.ts';
import { committedFact, joinedFact } from './consensus.ts';
import { announceReadiness, createHub, describeLog, follow, send, settle, statusOf } from './hub.ts';
import type { Hub, HubHooks } from './hub.ts';
import type { PeerStatus } from './status.ts';

export interface Parts {
  /** The incarnation is durable: begin to speak. */
  begin(): void;
  isMember(): boolean;
  disk(event: DiskEvent): void;
  network(event: NetworkEvent): void;
  clients(event: ClientsEvent): void;
  containers(event: ContainersEvent): void;
  outbound(event: OutboundEvent): void;
  log(): LogDescription;
  status(): PeerStatus;
  stop(): void;
}

export function createParts(core: Core, timers: Timers, recovery: DiskRecovery, hooks: HubHooks): Parts {
  const hub = createHub(core, timers, recovery, hooks);
  return {
    isMember: () => [...hub.known, ...describeLog(hub).members].some(({ id }) => id === core.self),
    begin() {
      // Before it says anything of the log: as of when this is to be believed.
      hub.consensus.joined(recovery.facts[joinedFact]);
      hub.consensus.feed({ type: 'start' });
      hub.consensus.recall(recovery.facts[committedFact]);
      hub.spread.start();
      if (hooks.phase() === 'following') follow(hub);
      // All whom its log names so far may be gone by now: who is there, a door knows.
      if (hooks.phase() !== 'following' || !hub.consensus.isCaughtUp()) hub.joining.start();
    },
    disk(event) {
      hub.consensus.disk(event);
      settle(hub);
    },
    network: (event) => network(hub, event),
    clients: (event) => hub.serving.event(event),
    containers: (event) => containers(hub, event),
    outbound: (event) => hub.callouts.completed(event),
    log: () => describeLog(hub),
    status: () => statusOf(hub),
    stop() {
      hub.joining.stop();
      hub.workers.stop();
    },
  };
}

function network(hub: Hub, event: NetworkEvent): void {
  const { once = eachTime } = hub.core.ports;
  switch (event.type) {
    case 'message': return message(hub, event.from, event.frame);
    case 'feed': {
      const batch = once(event.frame, () => 'feed', () => decodeFeed(event.frame));
      if (isRefusal(batch)) return hub.core.trace('wire', 'refused', { from: 'feed', why: batch.refused });
      if (batch.from === hub.view.leader) hub.freshMs = hub.core.now();
      return hub.spread.feed(batch);
    }
    case 'join-message': return joinMessage(hub, event.from, event.frame);
    case 'dialled':
      hub.asking.dialled(event.address, event.peer);
      return hub.joining.dialled(event.address, event.peer, event.error);
    case 'disconnected':
      hub.asking.disconnected(event.peer);
      hub.joining.disconnected(event.peer);
      hub.flows.disconnected(event.peer);
      hub.usages.disconnected(event.peer);
      return hub.streams.disconnected(event.peer);
    default: return unreachable(event);
  }
}

function message(hub: Hub, from: PeerId, frame: Uint8Array): void {
  const decoded = decodeMessage(frame);
  if (isRefusal(decoded)) return hub.core.trace('wire', 'refused', { from, why: decoded.refused });
  if (!hub.knownIds.has(from)) {
    // Who was taken out may still catch up to where the log says so.
    if (hub.departures.has(from) && decoded.kind === 'repair') return receive(hub, from, decoded);
    return hub.core.trace('wire', 'stranger', { from });
  }
  if (from === hub.view.leader) hub.freshMs = hub.core.now();
  receive(hub, from, decoded);
}

function receive(hub: Hub, from: PeerId, decoded: PeerMessage): void {
  const { core, consensus, view } = hub;
  switch (decoded.kind) {
    case 'log': return consensus.feed({ type: 'message', from, message: decoded.message });
    case 'gossip': return hub.spread.message(from, decoded.message, 'gossip');
    case 'repair': return hub.spread.message(from, decoded.message, 'repair');
    case 'forward': {
      const { ids, data } = decoded;
      if (view.leader === core.self) return consensus.propose({ from, ids, data });
      return send(hub, from, { kind: 'not-appended', ids, reason: 'not the leader', leader: view.leader });
    }
    // What was not appended is sent again when the leader is known, or at the next retry.
    case 'not-appended': return core.trace('commands', 'turned-away', { from, count: decoded.ids.length });
    case 'read': {
      const { id } = decoded;
      // It answers its reader once it has applied what is committed by now.
      consensus.feed({ type: 'hurry', peer: from });
      return consensus.readIndex((at) =>
        send(hub, from, { kind: 'read-reply', id, index: at, leader: hub.view.leader }));
    }
    case 'read-reply': return hub.reads.answered(decoded.id, decoded.index);
    case 'logs-open': case 'logs-chunk': case 'logs-credit': case 'logs-end': case 'logs-close':
      return hub.streams.message(from, decoded);
    case 'flow-open': case 'flow-input': case 'flow-output': case 'flow-credit': case 'flow-close':
      return hub.flows.message(from, decoded);
    case 'usage-ask': case 'usage-reply': return hub.usages.message(from, decoded);
    case 'admit': case 'remove': return hub.members.message(from, decoded);
    case 'join': return core.trace('wire', 'misplaced', { from });
    default: return unreachable(decoded);
  }
}

function joinMessage(hub: Hub, from: PeerId, frame: Uint8Array): void {
  const decoded = decodeMessage(frame);
  if (isRefusal(decoded) || decoded.kind !== 'join') {
    return hub.core.trace('wire', 'refused', { from, why: 'not a join' });
  }
  hub.asking.message(from, decoded.message);
  if (!hub.joining.message(from, decoded.message)) hub.members.joinMessage(from, decoded.message);
}

function containers(hub: Hub, event: ContainersEvent): void {
  switch (event.type) {
    case 'log-chunk': return hub.streams.chunk(event.stream, event.data);
    case 'log-end': return hub.streams.ended(event.stream, event.error);
    case 'flow-output': case 'flow-taken': case 'flow-end': return hub.flows.container(event);
    case 'runtime-done': case 'runtime-failed':
      hub.runtime.completed(event);
      return announceReadiness(hub);
    default:
      hub.workers.fact(event);
      return announceReadiness(hub);
  }
}
