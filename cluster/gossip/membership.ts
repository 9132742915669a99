// Who seems alive: SWIM membership with Lifeguard's refinements, and the beats that ride on its messages.
// The members themselves come from the log; gossip only finds out how they are. It decides nothing.
//
// What always holds: messages of strangers change nothing; a new member counts as alive until it is found not
// to be; a peer that is told of its own death raises its incarnation and so comes back; per event the cost is
// bounded by the number of members, per message by `rumoursPerMessage` and `beatsPerMessage`.

import type { PeerId } from '../ids.ts';
import { unreachable } from '../assert.ts';
import { limits } from '../limits.ts';
import type { Random } from '../random.ts';
import {
  answer, beginProbe, createProbing, endProbe, expireRelays, probeIndirectly, tellAtOnce,
} from './probe.ts';
import { createRumours, forget, tell, tellBeat } from './rumours.ts';
import { deadlineOf } from './suspicion.ts';
import type { Beat, GossipEffect, GossipEvent, GossipMessage, GossipTimer, Liveness } from './types.ts';
import { clusterSize, hear, hearBeat, saysMore, tellOwn } from './view.ts';
import type { Membership, Turn } from './view.ts';

export type { Membership };

/** `incarnation`: above any that an earlier run of this peer had. */
export function createMembership(
  config: { readonly self: PeerId; readonly incarnation: number }, random: Random,
): Membership {
  return {
    self: config.self, random, incarnation: config.incarnation, members: [], peers: new Map(),
    suspicions: new Map(), rumours: createRumours(), probing: createProbing(), ownBeat: null, beatSequence: 0,
    health: 0, armed: new Map(),
  };
}

/** Updates `m` in place; `nowMs` is monotonic. */
export function step(m: Membership, event: GossipEvent, nowMs: number): GossipEffect[] {
  const turn: Turn = { now: nowMs, out: [] };
  switch (event.type) {
    case 'timer': fire(m, event.timer, turn); break;
    case 'message': receive(m, event.from, event.message, turn); break;
    case 'members': replaceMembers(m, event.members, turn); break;
    case 'self':
      stampBeat(m, event.beat);
      if (event.to !== undefined && m.peers.has(event.to)) tellAtOnce(m, event.to, turn);
      break;
    case 'ask': if (m.peers.has(event.peer)) tellAtOnce(m, event.peer, turn); break;
    default: unreachable(event);
  }
  armShared(m, turn);
  return turn.out;
}

/** What this peer believes of a member; a stranger counts as dead, this peer itself as alive. */
export function livenessOf(m: Membership, peer: PeerId): Liveness {
  return peer === m.self ? 'alive' : m.peers.get(peer)?.status ?? 'dead';
}

export function beatOf(m: Membership, peer: PeerId): Beat | null {
  return peer === m.self ? m.ownBeat : m.peers.get(peer)?.beat ?? null;
}

/** The members that are neither suspect nor dead, this peer included, sorted. */
export function liveMembers(m: Membership): PeerId[] {
  const live = m.members.filter((peer) => m.peers.get(peer)?.status === 'alive');
  const after = live.findIndex((peer) => m.self < peer);
  live.splice(after < 0 ? live.length : after, 0, m.self);
  return live;
}

const byText = (a: PeerId, b: PeerId): number => (a < b ? -1 : a > b ? 1 : 0);

function fire(m: Membership, timer: GossipTimer, turn: Turn): void {
  switch (timer) {
    case 'probe': if (m.probing.running) beginProbe(m, turn); break;
    case 'probe-timeout': probeIndirectly(m, turn); break;
    case 'probe-end': if (m.probing.running) endProbe(m, turn); break;
    case 'suspicion': m.armed.delete(timer); expireSuspicions(m, turn); break;
    case 'relay': m.armed.delete(timer); expireRelays(m, turn); break;
    default: unreachable(timer);
  }
}

function receive(m: Membership, from: PeerId, message: GossipMessage, turn: Turn): void {
  if (!m.peers.has(from)) return;
  remind(m, from, message);
  for (const rumour of message.rumours) hear(m, rumour, turn);
  for (const beat of message.beats) hearBeat(m, beat, turn);
  // After the rumours: a refutation rides on the very answer.
  answer(m, from, message, turn);
}

/**
 * A member that lost its disk may give itself an incarnation that it had before: nobody would heed its words.
 * It is told which it had last, and takes a higher one.
 */
function remind(m: Membership, from: PeerId, { rumours, beats }: GossipMessage): void {
  const view = m.peers.get(from);
  if (view === undefined) return;
  const own = [...rumours, ...beats].filter(({ peer }) => peer === from);
  if (own.length === 0 || own.some(({ incarnation }) => incarnation >= view.incarnation)) return;
  tell(m.rumours, { peer: from, status: view.status, incarnation: view.incarnation, from: m.self });
}

/** The owner sends `self` every `beatIntervalMs`, and at once when something important changes. */
function stampBeat(m: Membership, facts: Omit<Beat, 'peer' | 'incarnation' | 'sequence'>): void {
  const before = m.ownBeat;
  m.beatSequence += 1;
  m.ownBeat = {
    ...facts, peer: m.self, incarnation: m.incarnation, sequence: m.beatSequence,
    freeCpuMilli: Math.max(0, Math.floor(facts.freeCpuMilli)),
    freeMemoryBytes: Math.max(0, Math.floor(facts.freeMemoryBytes)),
    pressure: Math.min(1000, Math.max(0, Math.floor(facts.pressure))),
  };
  tellBeat(m.rumours, m.self, saysMore(m.ownBeat, before));
}

function replaceMembers(m: Membership, listed: readonly PeerId[], turn: Turn): void {
  const others = [...new Set(listed)].filter((peer) => peer !== m.self).sort(byText);
  const kept = new Set(others);
  for (const peer of m.members) if (!kept.has(peer)) forgetMember(m, peer);
  const p = m.probing;
  for (const peer of others) {
    if (m.peers.has(peer)) continue;
    m.peers.set(peer, { status: 'alive', incarnation: 0, beat: null });
    // A newcomer joins at a random place of what is left of the round that is under way.
    p.ring.splice(p.ringAt + m.random.below(p.ring.length - p.ringAt + 1), 0, peer);
  }
  m.members = others;
  if (others.length > 0 && !p.running) {
    p.running = true;
    tellOwn(m);
    // Peers that start together should not probe in step.
    turn.out.push({ type: 'arm', timer: 'probe', ms: m.random.below(limits.probeIntervalMs) });
  } else if (others.length === 0 && p.running) {
    p.running = false;
    p.current = null;
    for (const timer of ['probe', 'probe-timeout', 'probe-end'] as const) {
      turn.out.push({ type: 'disarm', timer });
    }
  }
}

function forgetMember(m: Membership, peer: PeerId): void {
  const p = m.probing;
  m.peers.delete(peer);
  m.suspicions.delete(peer);
  forget(m.rumours, peer);
  p.next.delete(peer);
  const at = p.ring.indexOf(peer);
  p.ring.splice(at, 1);
  if (at < p.ringAt) p.ringAt -= 1;
  p.relays = p.relays.filter((relay) => relay.requester !== peer && relay.target !== peer);
  if (p.current?.target === peer) p.current = null;
}

/** Declares suspects dead whose time to refute is over. */
function expireSuspicions(m: Membership, turn: Turn): void {
  const due = [...m.suspicions].filter(([, each]) => deadlineOf(each, clusterSize(m)) <= turn.now);
  for (const [peer, suspicion] of due) {
    const lateMs = turn.now - deadlineOf(suspicion, clusterSize(m));
    // If this peer was asleep, the refutation may be waiting in its queue: let it be heard first.
    if (lateMs > limits.probeIntervalMs) suspicion.startMs += lateMs + limits.probeIntervalMs;
    else hear(m, { peer, status: 'dead', incarnation: suspicion.incarnation, from: m.self }, turn);
  }
}

/** The timers that many deadlines share are armed for the nearest. */
function armShared(m: Membership, turn: Turn): void {
  const size = clusterSize(m);
  let suspicion = Infinity, relay = Infinity;
  for (const each of m.suspicions.values()) suspicion = Math.min(suspicion, deadlineOf(each, size));
  for (const each of m.probing.relays) relay = Math.min(relay, each.deadlineMs);
  armFor(m, 'suspicion', suspicion, turn);
  armFor(m, 'relay', relay, turn);
}

function armFor(m: Membership, timer: GossipTimer, deadline: number, turn: Turn): void {
  if ((m.armed.get(timer) ?? Infinity) === deadline) return;
  if (deadline === Infinity) {
    m.armed.delete(timer);
    turn.out.push({ type: 'disarm', timer });
  } else {
    m.armed.set(timer, deadline);
    turn.out.push({ type: 'arm', timer, ms: Math.max(0, deadline - turn.now) });
  }
}
