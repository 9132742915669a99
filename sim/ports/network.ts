// The network of the simulated world: links between peers, each with its own delay, loss, duplication,
// reordering, clogging and partitions. The fate of the n-th message of a link is a hash of (seed, link, n),
// not the next number of a generator: take one fault away, and all other messages keep their fates. What
// always holds: a peer hears only from peers it counts as members, but for the join protocol; a crashed peer
// hears nothing; a link without reordering keeps the order of its messages.

import { assert } from '../../cluster/assert.ts';
import { peerId } from '../../cluster/ids.ts';
import type { PeerId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { NetworkEvent, NetworkMember, NetworkPort } from '../../cluster/ports.ts';
import { hash32, hashText } from '../../cluster/random.ts';
import type { SimScheduler } from '../heap.ts';
import { delayOf, goodLink, happens, share } from './network/conditions.ts';
import type { LinkConditions } from './network/conditions.ts';
import type { Witness } from '../witness.ts';

/** One- or two-way: which messages between `a` and `b` no longer arrive. */
export type PartitionDirection = 'both' | 'a-to-b' | 'b-to-a';

export interface LinkState {
  /** Nothing arrives. */
  readonly blocked?: boolean;
  /** Everything waits. */
  readonly clogged?: boolean;
  /** Absent: the default ones. */
  readonly conditions?: LinkConditions;
}

export interface NetworkStats {
  readonly sent: number; readonly delivered: number; readonly lost: number; readonly duplicated: number;
  readonly refused: number; readonly bytes: number;
  /** Dropped because a queue was full; they count as lost too. */
  readonly overflowed: number;
}

export interface SimNetwork {
  /** Puts a peer on the network; it must not be on it already. A peer that starts again attaches again. */
  attach(id: PeerId, addresses: readonly string[], deliver: (event: NetworkEvent) => void): NetworkPort;
  /** Takes it off: a crash. What is on its way to it is lost; those that knew it may be told. */
  detach(id: PeerId): void;
  /** For all links that have no conditions of their own. */
  setDefault(conditions: LinkConditions): void;
  /** All that faults have done to a link, at once; `{}` is a link that nothing is wrong with. */
  lay(from: PeerId, to: PeerId, state: LinkState): void;
  partition(a: PeerId, b: PeerId, direction: PartitionDirection): void;
  /** What is sent over a clogged link waits until `unclog` or `heal`; a full queue drops the newest. */
  clog(from: PeerId, to: PeerId): void;
  unclog(from: PeerId, to: PeerId): void;
  /** Ends all partitions, clogs and conditions; the default conditions stay. */
  heal(): void;
  stats(): NetworkStats;
}

type Plane = 'message' | 'feed' | 'join-message';

interface Peer {
  readonly id: PeerId; readonly addresses: readonly string[];
  readonly deliver: (event: NetworkEvent) => void;
  members: ReadonlySet<PeerId>; list: readonly NetworkMember[];
  /** Peers that it has a connection to. */
  readonly connected: Set<PeerId>;
}

interface Link {
  readonly from: PeerId; readonly to: PeerId; readonly hash: number;
  conditions: LinkConditions | null;
  blocked: boolean; clogged: boolean;
  /** Messages sent so far, by which each draws its fate. */
  count: number;
  /** No later message of an orderly link arrives before this time. */
  orderMs: number;
  /** When a narrow wire has sent all that was given to it. */
  wireMs: number;
  waiting: { readonly plane: Plane; readonly frame: Uint8Array; readonly delayMs: number }[];
  waitingBytes: number;
}

export function createNetwork(
  scheduler: SimScheduler, seed: number, defaults: LinkConditions = goodLink,
  witness: Pick<Witness, 'sent'> | null = null,
): SimNetwork {
  const peers = new Map<PeerId, Peer>();
  const links = new Map<PeerId, Map<PeerId, Link>>();
  const stats = { sent: 0, delivered: 0, lost: 0, duplicated: 0, refused: 0, bytes: 0, overflowed: 0 };

  function link(from: PeerId, to: PeerId): Link {
    let row = links.get(from);
    if (row === undefined) links.set(from, row = new Map());
    let found = row.get(to);
    if (found === undefined) {
      const hash = hash32(hashText(from), hashText(to));
      found = { from, to, hash, conditions: null, blocked: false, clogged: false, count: 0, orderMs: 0,
        wireMs: 0, waiting: [], waitingBytes: 0 };
      row.set(to, found);
    }
    return found;
  }
  function allLinks(): Link[] {
    return [...links.values()].flatMap((row) => [...row.values()]);
  }
  function transmit(from: Peer, to: PeerId, plane: Plane, frame: Uint8Array): void {
    assert(frame.length <= limits.messageBytesMax, `a message of ${frame.length} bytes`);
    const over = link(from.id, to);
    over.count += 1;
    stats.sent += 1;
    stats.bytes += frame.length;
    witness?.sent(from.id, to, plane, frame);
    const conditions = over.conditions ?? defaults;
    const fate = (what: number): number => hash32(seed, over.hash, over.count, what);
    if (over.blocked || happens(conditions.lossPpm, fate(1))) {
      stats.lost += 1;
      return;
    }
    const reordered = happens(conditions.reorderPpm, fate(2));
    const extraMs = reordered ? share(fate(3)) * conditions.reorderMsMax : 0;
    pass(over, plane, frame, delayOf(conditions, fate(4)) + extraMs, plane === 'feed' || reordered);
    if (!happens(conditions.duplicatePpm, fate(5))) return;
    // gossipsub recognises what it has seen: only messages come twice.
    if (plane === 'feed') return;
    stats.duplicated += 1;
    pass(over, plane, frame, delayOf(conditions, fate(6)), true);
  }
  function pass(over: Link, plane: Plane, frame: Uint8Array, ms: number, unordered: boolean): void {
    if (over.clogged) {
      if (over.waitingBytes + frame.length > queueBytesMax(over)) return overflow();
      over.waiting.push({ plane, frame, delayMs: ms });
      over.waitingBytes += frame.length;
      return;
    }
    const wireMs = queue(over, frame.length);
    if (wireMs === null) return overflow();
    let atMs = wireMs + ms;
    if (!unordered) {
      atMs = Math.max(atMs, over.orderMs);
      over.orderMs = atMs;
    }
    const sender = peers.get(over.from), receiver = peers.get(over.to);
    if (receiver === undefined) {
      stats.lost += 1;
      return;
    }
    scheduler.at(atMs, () => arrive(over, sender, receiver, plane, frame));
  }
  /** When the last byte has left; null: the queue is full. */
  function queue(over: Link, bytes: number): number | null {
    const nowMs = scheduler.nowMs(), { bytesPerSecond } = over.conditions ?? defaults;
    if (bytesPerSecond === undefined) return nowMs;
    const waitMs = Math.max(0, over.wireMs - nowMs);
    if (waitMs * bytesPerSecond / 1_000 + bytes > queueBytesMax(over)) return null;
    over.wireMs = nowMs + Math.round((waitMs + bytes * 1_000 / bytesPerSecond) * 1e3) / 1e3;
    return over.wireMs;
  }
  const queueBytesMax = (over: Link): number =>
    (over.conditions ?? defaults).queueBytesMax ?? limits.sendQueueBytesMax;
  function overflow(): void {
    stats.lost += 1;
    stats.overflowed += 1;
  }
  /** The receiver must still be the one it was sent to: a peer that started again has other connections. */
  function arrive(
    over: Link, sender: Peer | undefined, receiver: Peer, plane: Plane, frame: Uint8Array,
  ): void {
    if (over.blocked || peers.get(over.to) !== receiver) {
      stats.lost += 1;
      return;
    }
    const isMember = receiver.members.has(over.from);
    if (plane !== 'join-message' && !isMember) {
      stats.refused += 1;
      return;
    }
    if (sender !== undefined && peers.get(over.from) === sender) {
      receiver.connected.add(over.from);
      sender.connected.add(over.to);
    }
    stats.delivered += 1;
    receiver.deliver(plane === 'feed' ? { type: 'feed', frame } : { type: plane, from: over.from, frame });
  }
  function release(over: Link): void {
    over.clogged = false;
    const { waiting } = over;
    over.waiting = [];
    over.waitingBytes = 0;
    for (const { plane, frame, delayMs } of waiting) pass(over, plane, frame, delayMs, false);
  }
  function dial(from: Peer, address: string): void {
    const target = byAddress(peers, address);
    const there = target === undefined ? null : link(from.id, target.id);
    const back = target === undefined ? null : link(target.id, from.id);
    const open = (): boolean => target !== undefined && peers.get(target.id) === target
      && there?.blocked === false && back?.blocked === false && !there.clogged && !back.clogged;
    const answer = (peer: PeerId | null, error: string | null): void => {
      if (peers.get(from.id) === from) from.deliver({ type: 'dialled', address, peer, error });
    };
    const nowMs = scheduler.nowMs();
    const self = target?.id === from.id;
    if (target === undefined || self || !open()) {
      const ms = target === undefined || self ? 1 : limits.dialTimeoutMs;
      const absent = self ? 'that is this peer itself' : 'connection refused';
      const why = target === undefined || self ? absent : 'no answer';
      scheduler.at(nowMs + ms, () => answer(null, `${address}: ${why}`));
      return;
    }
    const roundTripMs = 2 * delayOf(there?.conditions ?? defaults, hash32(seed, there?.hash ?? 0, 0x6469));
    scheduler.at(nowMs + roundTripMs, () => {
      if (!open()) return answer(null, `${address}: connection reset`);
      from.connected.add(target.id);
      target.connected.add(from.id);
      answer(target.id, null);
    });
  }
  function detach(id: PeerId): void {
    const gone = peers.get(id);
    if (gone === undefined) return;
    peers.delete(id);
    for (const over of allLinks()) {
      if (over.from !== id && over.to !== id) continue;
      over.waiting = [];
      over.waitingBytes = 0;
    }
    // The kernel of a dead process closes its connections.
    const others = [...peers.values()].filter((peer) => peer.connected.has(id)).sort(byId);
    for (const other of others) hangUp(gone, other);
  }
  /** `from` closes its connections to `to`, who is told; behind a partition it hears nothing of it. */
  function hangUp(from: Peer, to: Peer): void {
    from.connected.delete(to.id);
    to.connected.delete(from.id);
    const over = link(from.id, to.id);
    const ms = delayOf(over.conditions ?? defaults, hash32(seed, over.hash, over.count, 7));
    scheduler.at(scheduler.nowMs() + ms, () => {
      if (peers.get(to.id) !== to || over.blocked) return;
      to.deliver({ type: 'disconnected', peer: from.id });
    });
  }
  function setMembers(peer: Peer, members: readonly NetworkMember[]): void {
    const before = peer.list;
    peer.list = members.filter((member) => member.id !== peer.id);
    peer.members = new Set(peer.list.map((member) => member.id));
    for (const { id } of before) {
      const other = peers.get(id);
      if (other !== undefined && !peer.members.has(id) && peer.connected.has(id)) hangUp(peer, other);
    }
  }
  return {
    attach(id, addresses, deliver) {
      assert(!peers.has(id), `${id} is on the network already`);
      const peer: Peer = { id, addresses, deliver, members: new Set(), list: [], connected: new Set() };
      peers.set(id, peer);
      return portOf(peer, { alive: () => peers.get(id) === peer, transmit, dial, setMembers });
    },
    detach,
    setDefault(conditions) { defaults = conditions; },
    lay(from, to, { blocked = false, clogged = false, conditions }) {
      const over = link(from, to);
      over.blocked = blocked;
      over.conditions = conditions ?? null;
      if (clogged) over.clogged = true;
      else if (over.clogged) release(over);
    },
    partition(a, b, direction) {
      if (direction !== 'b-to-a') link(a, b).blocked = true;
      if (direction !== 'a-to-b') link(b, a).blocked = true;
    },
    clog(from, to) { link(from, to).clogged = true; },
    unclog(from, to) { release(link(from, to)); },
    heal() {
      for (const over of allLinks()) {
        over.blocked = false;
        over.conditions = null;
        release(over);
      }
    },
    stats: () => ({ ...stats }),
  };
}

interface Wire {
  alive(): boolean;
  transmit(from: Peer, to: PeerId, plane: Plane, frame: Uint8Array): void;
  dial(from: Peer, address: string): void;
  setMembers(peer: Peer, members: readonly NetworkMember[]): void;
}

function portOf(peer: Peer, { alive, transmit, dial, setMembers }: Wire): NetworkPort {
  return {
    self: peer.id,
    addresses: () => peer.addresses,
    setMembers(members) {
      setMembers(peer, members);
    },
    send(to, frame) {
      if (alive() && peer.members.has(to)) transmit(peer, to, 'message', frame);
    },
    publish(frame) {
      if (!alive()) return;
      for (const member of peer.list) transmit(peer, member.id, 'feed', frame);
    },
    dial(address) {
      if (alive()) dial(peer, address);
    },
    sendJoin(to, frame) {
      if (alive() && peer.connected.has(to)) transmit(peer, to, 'join-message', frame);
    },
  };
}

const byId = (a: Peer, b: Peer): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

function byAddress(peers: ReadonlyMap<PeerId, Peer>, address: string): Peer | undefined {
  const found = peers.get(peerId(address));
  if (found !== undefined) return found;
  return [...peers.values()].filter((peer) => peer.addresses.includes(address)).sort(byId)[0];
}
