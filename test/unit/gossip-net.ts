// A miniature world for membership alone: N peers, messages through the wire format with delay and loss,
// kills, restarts and partitions, one heap of (time, sequence). Seeded: the same seed gives the same run.

import { createMembership, livenessOf, step } from '../../cluster/gossip/membership.ts';
import type { Membership } from '../../cluster/gossip/membership.ts';
import type {
  Beat, GossipEffect, GossipEvent, GossipMessage, GossipTimer,
} from '../../cluster/gossip/types.ts';
import { index, peerId } from '../../cluster/ids.ts';
import type { PeerId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { createRandom } from '../../cluster/random.ts';
import { decodeMessage, encodeMessage } from '../../cluster/wire.ts';

interface Happening { readonly at: number; readonly order: number; readonly run: () => void }

interface Peer {
  m: Membership;
  up: boolean;
  incarnation: number;
  readonly timers: Map<GossipTimer, number>;
}

export interface LivenessChange {
  readonly at: number; readonly by: PeerId; readonly of: PeerId; readonly to: string;
}

export interface GossipNet {
  readonly ids: readonly PeerId[];
  readonly changes: LivenessChange[];
  readonly beats: { readonly at: number; readonly by: PeerId; readonly beat: Beat }[];
  messages: number;
  bytes: number;
  now(): number;
  run(ms: number): void;
  kill(id: PeerId): void;
  restart(id: PeerId): void;
  /** Peers speak only within their group; null heals. */
  partition(groups: readonly (readonly PeerId[])[] | null): void;
  view(by: PeerId, of: PeerId): string;
  incarnation(id: PeerId): number;
  membership(id: PeerId): Membership;
}

export function createNet(
  options: { size: number; seed: number; lossPercent?: number; beats?: boolean },
): GossipNet {
  const random = createRandom(options.seed);
  const ids = Array.from({ length: options.size }, (_, i) => peerId(`p${String(i).padStart(3, '0')}`));
  const peers = new Map<PeerId, Peer>();
  const heap = createHeap();
  const changes: LivenessChange[] = [];
  const beats: GossipNet['beats'] = [];
  let now = 0;
  let groups: readonly (readonly PeerId[])[] | null = null;

  const net: GossipNet = {
    ids, changes, beats, messages: 0, bytes: 0, now: () => now,
    run(ms) {
      const until = now + ms;
      for (let next = heap.take(until); next !== null; next = heap.take(until)) {
        now = next.at;
        next.run();
      }
      now = until;
    },
    kill(id) { get(id).up = false; },
    restart(id) { start(id, get(id).incarnation + 1); },
    partition(next) { groups = next; },
    view: (by, of) => livenessOf(get(by).m, of),
    incarnation: (id) => get(id).m.incarnation,
    membership: (id) => get(id).m,
  };

  function get(id: PeerId): Peer {
    const peer = peers.get(id);
    if (peer === undefined) throw new Error(`no peer ${id}`);
    return peer;
  }

  function start(id: PeerId, incarnation: number): void {
    const m = createMembership({ self: id, incarnation }, createRandom(random.u32()));
    peers.set(id, { m, up: true, incarnation, timers: new Map() });
    give(id, { type: 'members', members: ids });
    if (options.beats === true) heap.add(now + random.below(limits.beatIntervalMs), () => beat(id, m));
  }

  function beat(id: PeerId, m: Membership): void {
    if (get(id).m !== m || !get(id).up) return;
    give(id, { type: 'self', beat: facts });
    heap.add(now + limits.beatIntervalMs, () => beat(id, m));
  }

  function give(id: PeerId, event: GossipEvent): void {
    const peer = get(id);
    for (const effect of step(peer.m, event, now)) carryOut(id, peer, effect);
  }

  function carryOut(id: PeerId, peer: Peer, effect: GossipEffect): void {
    switch (effect.type) {
      case 'send': return send(id, effect.to, effect.message);
      case 'arm': return arm(id, peer, effect.timer, effect.ms);
      case 'disarm': peer.timers.delete(effect.timer); return;
      case 'liveness': changes.push({ at: now, by: id, of: effect.peer, to: effect.status }); return;
      case 'incarnation': peer.incarnation = effect.incarnation; return;
      case 'beat': beats.push({ at: now, by: id, beat: effect.beat });
    }
  }

  function arm(id: PeerId, peer: Peer, timer: GossipTimer, ms: number): void {
    const at = now + Math.ceil(ms);
    peer.timers.set(timer, at);
    heap.add(at, () => {
      if (!peer.up || get(id) !== peer || peer.timers.get(timer) !== at) return;
      peer.timers.delete(timer);
      give(id, { type: 'timer', timer });
    });
  }

  function send(from: PeerId, to: PeerId, message: GossipMessage): void {
    const frame = encodeMessage({ kind: 'gossip', message });
    net.messages += 1;
    net.bytes += frame.length;
    const lost = random.chance(options.lossPercent ?? 0, 100);
    const delay = random.between(1, 20);
    if (lost) return;
    heap.add(now + delay, () => {
      const peer = get(to);
      if (!peer.up || !together(from, to)) return;
      const decoded = decodeMessage(frame);
      if (!('kind' in decoded) || decoded.kind !== 'gossip') throw new Error('a message was refused');
      give(to, { type: 'message', from, message: decoded.message });
    });
  }

  function together(a: PeerId, b: PeerId): boolean {
    return groups === null || groups.some((group) => group.includes(a) && group.includes(b));
  }

  for (const id of ids) start(id, 1);
  return net;
}

export const facts = {
  applied: index(5), freeCpuMilli: 1000, freeMemoryBytes: 2 ** 30, pressure: 0, ready: true, reason: '',
  addresses: ['/ip4/10.0.0.1/tcp/7000'],
} as const;

/** A binary heap by (time, order of scheduling). */
function createHeap(): { add(at: number, run: () => void): void; take(until: number): Happening | null } {
  const items: Happening[] = [];
  let order = 0;
  const before = (a: Happening, b: Happening): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
  const swap = (i: number, j: number): void => { [items[i], items[j]] = [items[j]!, items[i]!]; };
  return {
    add(at, run) {
      items.push({ at, order: order++, run });
      for (let i = items.length - 1; i > 0;) {
        const up = (i - 1) >> 1;
        if (!before(items[i]!, items[up]!)) break;
        swap(i, up);
        i = up;
      }
    },
    take(until) {
      const top = items[0];
      if (top === undefined || top.at > until) return null;
      const last = items.pop()!;
      if (items.length > 0) items[0] = last;
      for (let i = 0; ;) {
        const left = 2 * i + 1, right = left + 1;
        let least = i;
        if (left < items.length && before(items[left]!, items[least]!)) least = left;
        if (right < items.length && before(items[right]!, items[least]!)) least = right;
        if (least === i) break;
        swap(i, least);
        i = least;
      }
      return top;
    },
  };
}

