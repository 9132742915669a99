// What one peer believes of the others: status and incarnation by peer, and how news change it.
//
// The order of news is SWIM's (Das, Gupta, Motivala 2002, section 4.2), save that death is not final: a
// higher incarnation, which only the peer itself gives out, overrides any status; within one incarnation
// alive < suspect < dead. What always holds: a dead incarnation never lives again, and incarnations never
// fall.

import type { PeerId } from '../ids.ts';
import { present } from '../assert.ts';
import { limits } from '../limits.ts';
import type { Random } from '../random.ts';
import type { Probing } from './probe.ts';
import { tell, tellBeat } from './rumours.ts';
import type { Rumours } from './rumours.ts';
import { confirm, suspicionOf } from './suspicion.ts';
import type { Suspicion } from './suspicion.ts';
import type { Beat, GossipEffect, GossipTimer, Liveness, Rumour } from './types.ts';

export interface PeerView {
  status: Liveness;
  incarnation: number;
  beat: Beat | null;
}

export interface Membership {
  readonly self: PeerId;
  readonly random: Random;
  /** This peer's own; grows when it has to refute a rumour. */
  incarnation: number;
  /** The other members, sorted. */
  members: readonly PeerId[];
  readonly peers: Map<PeerId, PeerView>;
  readonly suspicions: Map<PeerId, Suspicion>;
  readonly rumours: Rumours;
  readonly probing: Probing;
  ownBeat: Beat | null;
  beatSequence: number;
  /** Lifeguard's local health: 0 is healthy, more means that this peer itself may be the slow one. */
  health: number;
  /** When the shared timers are armed for; null: not armed. */
  readonly armed: Map<GossipTimer, number>;
}

/** One event's inputs and its effects so far. */
export interface Turn {
  readonly now: number;
  readonly out: GossipEffect[];
}

/** Members, this peer included. */
export const clusterSize = (m: Membership): number => m.members.length + 1;

export function changeHealth(m: Membership, by: 1 | -1): void {
  m.health = Math.min(limits.localHealthMax, Math.max(0, m.health + by));
}

/** Takes in what somebody says of a peer (or what this peer finds out itself). Strangers are ignored. */
export function hear(m: Membership, rumour: Rumour, turn: Turn): void {
  if (rumour.peer === m.self) return hearOfSelf(m, rumour, turn);
  const view = m.peers.get(rumour.peer);
  if (view === undefined || rumour.incarnation < view.incarnation) return;
  const newer = rumour.incarnation > view.incarnation;
  if (newer || rank[rumour.status] > rank[view.status]) become(m, rumour, view, turn);
  else if (rumour.status === 'suspect' && view.status === 'suspect') {
    const suspicion = present(m.suspicions.get(rumour.peer), 'a suspect has a suspicion');
    // Each of the first few independent suspicions is spread: others count them too.
    if (confirm(suspicion, rumour.from)) tell(m.rumours, rumour);
  }
}

const rank = { alive: 0, suspect: 1, dead: 2 } as const satisfies Record<Liveness, number>;

function become(m: Membership, rumour: Rumour, view: PeerView, turn: Turn): void {
  const before = view.status;
  view.status = rumour.status;
  view.incarnation = rumour.incarnation;
  if (rumour.status === 'suspect') {
    m.suspicions.set(rumour.peer, suspicionOf(rumour, turn.now));
    if (rumour.from !== m.self) m.probing.next.add(rumour.peer);
  } else m.suspicions.delete(rumour.peer);
  tell(m.rumours, rumour);
  if (before !== rumour.status) {
    turn.out.push({
      type: 'liveness', peer: rumour.peer, status: rumour.status, incarnation: rumour.incarnation,
    });
  }
}

/** Only a peer itself raises its incarnation: above any rumour that would have it suspect, dead or older. */
function hearOfSelf(m: Membership, rumour: Rumour, turn: Turn): void {
  const { incarnation, status } = rumour;
  const refutes = status === 'alive' ? incarnation > m.incarnation : incarnation >= m.incarnation;
  if (refutes) {
    if (incarnation >= limits.incarnationMax) return;
    m.incarnation = incarnation + 1;
    if (status !== 'alive') changeHealth(m, 1);
    turn.out.push({ type: 'incarnation', incarnation: m.incarnation });
  } else if (status === 'alive') return;
  tellOwn(m);
}

export function tellOwn(m: Membership): void {
  tell(m.rumours, { peer: m.self, status: 'alive', incarnation: m.incarnation, from: m.self });
}

/** Takes in a beat. A beat of a new incarnation is also the word of its peer that it lives. */
export function hearBeat(m: Membership, beat: Beat, turn: Turn): void {
  const word: Rumour = { peer: beat.peer, status: 'alive', incarnation: beat.incarnation, from: beat.peer };
  if (beat.peer === m.self) return hearOfSelf(m, word, turn);
  const view = m.peers.get(beat.peer);
  if (view === undefined || !isNewer(beat, view.beat)) return;
  const { beat: before } = view, first = before?.incarnation !== beat.incarnation;
  view.beat = beat;
  hear(m, word, turn);
  turn.out.push({ type: 'beat', beat, first });
  tellBeat(m.rumours, beat.peer, first || saysMore(beat, before));
}

/** Whether it says of its peer what the one before did not, but for figures that are never the same. */
export function saysMore(beat: Beat, before: Beat | null): boolean {
  return before === null || beat.ready !== before.ready || beat.reason !== before.reason
    || beat.addresses.join() !== before.addresses.join();
}

function isNewer(beat: Beat, old: Beat | null): boolean {
  if (old === null || beat.incarnation > old.incarnation) return true;
  return beat.incarnation === old.incarnation && beat.sequence > old.sequence;
}
