// The failure detector: each probe interval one member is pinged, in round-robin order from a random start,
// so that the time until a given member is probed is bounded. If the ack is late, others are asked to ping
// it, and it is pinged once more directly; if the interval ends without an ack, it is suspected.
// Source: SWIM sections 3.1 and 4.3; Lifeguard section IV-A (local health, nack).
//
// What always holds: at most one probe is under way. A probe that ran much longer than planned says nothing
// of its target, only that this peer was asleep. Dead members get a ping now and then that nobody waits for:
// if it arrives, its recipient learns of its death from it and refutes.

import type { PeerId } from '../ids.ts';
import { unreachable } from '../assert.ts';
import { limits } from '../limits.ts';
import { compose } from './compose.ts';
import type { GossipEffect, GossipMessage } from './types.ts';
import { changeHealth, hear } from './view.ts';
import type { Membership, Turn } from './view.ts';

interface Probe {
  readonly target: PeerId;
  readonly sequence: number;
  readonly startMs: number;
  readonly plannedMs: number;
  acked: boolean;
  /** Members asked to ping the target, and those of them that said that they tried. */
  asked: readonly PeerId[];
  readonly nacked: Set<PeerId>;
}

/** A ping carried out for another member. */
interface Relay {
  readonly requester: PeerId;
  readonly theirSequence: number;
  readonly target: PeerId;
  readonly sequence: number;
  readonly deadlineMs: number;
}

export interface Probing {
  running: boolean;
  sequence: number;
  /** Probe intervals begun. */
  intervals: number;
  /** The members in the order of this round, and how many of them had their turn. */
  ring: PeerId[];
  ringAt: number;
  /** Suspects to look at before the ring goes on: heard of, not yet probed by this peer. */
  readonly next: Set<PeerId>;
  deadAt: number;
  current: Probe | null;
  relays: Relay[];
}

export function createProbing(): Probing {
  return {
    running: false, sequence: 0, intervals: 0, ring: [], ringAt: 0, next: new Set(), deadAt: 0, current: null,
    relays: [],
  };
}

// ── own probes ───────────────────────────────────────────────────────────────────────────────────────────

/** Starts the next interval: picks a target and pings it. */
export function beginProbe(m: Membership, turn: Turn): void {
  const p = m.probing;
  const scale = 1 + m.health;
  const plannedMs = limits.probeIntervalMs * scale;
  p.intervals += 1;
  const target = nextTarget(m);
  if (target === null || p.intervals % limits.deadProbeEvery === 0) pingDead(m, turn);
  turn.out.push({ type: 'arm', timer: 'probe-end', ms: plannedMs });
  p.current = null;
  if (target === null) return;
  p.sequence += 1;
  p.current = {
    target, sequence: p.sequence, startMs: turn.now, plannedMs, acked: false, asked: [], nacked: new Set(),
  };
  turn.out.push(ping(m, target, p.sequence));
  turn.out.push({ type: 'arm', timer: 'probe-timeout', ms: limits.probeTimeoutMs * scale });
}

/** No ack yet: others try, and so does this peer once more, for one lost datagram is no sign of death. */
export function probeIndirectly(m: Membership, turn: Turn): void {
  const probe = m.probing.current;
  if (probe === null || probe.acked) return;
  const able = m.members.filter((peer) => peer !== probe.target && m.peers.get(peer)?.status === 'alive');
  probe.asked = sample(m, able, limits.indirectProbes);
  turn.out.push(ping(m, probe.target, probe.sequence));
  for (const relay of probe.asked) {
    const request = { type: 'ping-request', sequence: probe.sequence, target: probe.target } as const;
    turn.out.push({ type: 'send', to: relay, message: { ...request, ...compose(m, relay) } });
  }
}

/** The interval is over: draws the conclusion and begins the next. */
export function endProbe(m: Membership, turn: Turn): void {
  const probe = m.probing.current;
  if (probe !== null && m.peers.has(probe.target)) conclude(m, probe, turn);
  beginProbe(m, turn);
}

function conclude(m: Membership, probe: Probe, turn: Turn): void {
  const { target } = probe;
  if (probe.acked) return changeHealth(m, -1);
  const asleepMs = turn.now - probe.startMs - probe.plannedMs;
  if (asleepMs > limits.probeTimeoutMs) {
    changeHealth(m, 1);
    m.probing.next.add(target);
    return;
  }
  // If no relay even says that it tried, the fault may be this peer's own: it slows down a step. (Lifeguard
  // counts each missing nack; in a cluster that lost a third of its members that would slow down everybody.)
  if (probe.nacked.size === 0) changeHealth(m, 1);
  const view = m.peers.get(target);
  if (view === undefined || view.status === 'dead') return;
  hear(m, { peer: target, status: 'suspect', incarnation: view.incarnation, from: m.self }, turn);
}

/** The next member to probe, or null if all others are dead, or there are none. */
function nextTarget(m: Membership): PeerId | null {
  const p = m.probing;
  for (const peer of p.next) {
    p.next.delete(peer);
    if (isProbed(m, peer)) return peer;
  }
  // The rest of this round, then one whole further round.
  for (let tries = p.ring.length - p.ringAt + m.members.length; tries > 0; tries--) {
    if (p.ringAt >= p.ring.length) {
      stir(m);
    }
    const peer = p.ring[p.ringAt];
    p.ringAt += 1;
    if (peer !== undefined && isProbed(m, peer)) return peer;
  }
  return null;
}

/**
 * Begins the next round. Neighbours change places at random, so that no two peers keep in step for long,
 * yet nobody waits much longer than one round (a full shuffle could make a member first in one and last in
 * the next). A ring of two or three has no room for that.
 */
function stir(m: Membership): void {
  const { ring } = m.probing;
  m.probing.ringAt = 0;
  if (ring.length <= 3) return;
  for (let at = 0; at + 1 < ring.length; at++) {
    const [one, other] = [ring[at], ring[at + 1]];
    if (one === undefined || other === undefined || !m.random.chance(1, 2)) continue;
    ring[at] = other;
    ring[at + 1] = one;
    at += 1;
  }
}

function isProbed(m: Membership, peer: PeerId): boolean {
  const view = m.peers.get(peer);
  return view !== undefined && view.status !== 'dead';
}

/** Pings one dead member, each in its turn. */
function pingDead(m: Membership, turn: Turn): void {
  const p = m.probing;
  const dead = m.members.filter((peer) => m.peers.get(peer)?.status === 'dead');
  const target = dead[p.deadAt % Math.max(1, dead.length)];
  if (target === undefined) return;
  p.deadAt += 1;
  tellAtOnce(m, target, turn);
}

/** A ping that nobody waits for: what this peer has just said of itself goes with it. */
export function tellAtOnce(m: Membership, to: PeerId, turn: Turn): void {
  m.probing.sequence += 1;
  turn.out.push(ping(m, to, m.probing.sequence));
}

/** `count` different ones of `from`, in random order (Fisher and Yates). */
function sample(m: Membership, from: readonly PeerId[], count: number): PeerId[] {
  const rest = [...from];
  const taken: PeerId[] = [];
  while (taken.length < count && rest.length > 0) {
    const at = m.random.below(rest.length);
    const last = rest.length - 1;
    const [chosen, moved] = [rest[at], rest[last]];
    rest.pop();
    if (at < last && moved !== undefined) rest[at] = moved;
    if (chosen !== undefined) taken.push(chosen);
  }
  return taken;
}

function ping(m: Membership, to: PeerId, sequence: number): GossipEffect {
  return { type: 'send', to, message: { type: 'ping', sequence, ...compose(m, to) } };
}

// ── answers, and probes for others ───────────────────────────────────────────────────────────────────────

export function answer(m: Membership, from: PeerId, message: GossipMessage, turn: Turn): void {
  switch (message.type) {
    case 'ping': return reply(m, from, 'ack', message.sequence, turn);
    case 'ping-request': return relayPing(m, from, message.sequence, message.target, turn);
    case 'nack': return heardNack(m, from, message.sequence);
    case 'ack': return heardAck(m, from, message.sequence, turn);
    default: return unreachable(message);
  }
}

function reply(m: Membership, to: PeerId, type: 'ack' | 'nack', sequence: number, turn: Turn): void {
  turn.out.push({ type: 'send', to, message: { type, sequence, ...compose(m, to) } });
}

function relayPing(m: Membership, from: PeerId, sequence: number, target: PeerId, turn: Turn): void {
  const p = m.probing;
  if (target === m.self) return reply(m, from, 'ack', sequence, turn);
  // Too busy, or a stranger to this peer: silence tells the requester that it learned nothing.
  if (!m.peers.has(target) || p.relays.length >= limits.relaysMax) return;
  p.sequence += 1;
  p.relays.push({
    requester: from, theirSequence: sequence, target, sequence: p.sequence,
    deadlineMs: turn.now + limits.relayTimeoutMs,
  });
  turn.out.push(ping(m, target, p.sequence));
}

function heardAck(m: Membership, from: PeerId, sequence: number, turn: Turn): void {
  const p = m.probing;
  const probe = p.current;
  const mine = probe !== null && probe.sequence === sequence;
  if (mine && (from === probe.target || probe.asked.includes(from))) {
    if (!probe.acked) turn.out.push({ type: 'disarm', timer: 'probe-timeout' });
    probe.acked = true;
  }
  const relay = p.relays.find((each) => each.sequence === sequence && each.target === from);
  if (relay === undefined) return;
  p.relays = p.relays.filter((each) => each !== relay);
  reply(m, relay.requester, 'ack', relay.theirSequence, turn);
}

function heardNack(m: Membership, from: PeerId, sequence: number): void {
  const probe = m.probing.current;
  if (probe !== null && probe.sequence === sequence && probe.asked.includes(from)) probe.nacked.add(from);
}

/** Tells those whose relayed pings are overdue that this peer tried. */
export function expireRelays(m: Membership, turn: Turn): void {
  const p = m.probing;
  const due = p.relays.filter((relay) => relay.deadlineMs <= turn.now);
  p.relays = p.relays.filter((relay) => relay.deadlineMs > turn.now);
  for (const relay of due) reply(m, relay.requester, 'nack', relay.theirSequence, turn);
}
