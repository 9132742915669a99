// Oracles of the gossip plane, judged from what peers say (their messages) and what they believe (their notes
// of liveness): the word of a peer never goes back, nobody but a peer itself makes it younger than its death,
// views agree soon after the last fault, nobody is suspected for nothing, and talk is bounded.
//
// Source of the order of news: SWIM (Das, Gupta, Motivala 2002), section 4.2, as `cluster/gossip/view.ts`
// has it: a higher incarnation overrides; within one, alive < suspect < dead.

import type { PeerId } from '../../cluster/ids.ts';
import type { GossipMessage, Liveness, Rumour } from '../../cluster/gossip/types.ts';
import { limits } from '../../cluster/limits.ts';
import { decodeMessage, isRefusal } from '../../cluster/wire.ts';
import type { Note } from '../ports/trace.ts';
import type { Report } from './oracle.ts';

/** Who should be seen as what. */
export interface Expected { readonly id: PeerId; readonly name: string; readonly status: 'alive' | 'dead' }

export interface GossipOracle {
  /** A frame of gossip leaves a peer. */
  sent(peer: PeerId, frame: Uint8Array): void;
  noted(note: Note): void;
  /** A process starts: it knows nothing, and its words are those of a new run. */
  opened(peer: PeerId, name: string): void;
  /** The members by this peer's log changed; `all`: by every log, now. */
  members(peer: PeerId, name: string, own: readonly PeerId[]): void;
  /** A peer's disk was emptied: its next run knows no incarnation of before. */
  wiped(peer: PeerId): void;
  /** Compares every view of a live peer with what is so; from now on nobody may be suspected. */
  converged(expected: readonly Expected[]): void;
  /** Bytes of gossip per peer and second, since the last call. */
  measure(names: ReadonlyMap<PeerId, string>): void;
}

interface Said { readonly incarnation: number; readonly rank: number }
interface Talk {
  /** By subject: the newest word of it. */
  readonly said: Map<PeerId, Said>;
  /** By subject: the newest beat passed on. */
  readonly beats: Map<PeerId, readonly [incarnation: number, sequence: number]>;
}

const rank = { alive: 0, suspect: 1, dead: 2 } as const satisfies Record<Liveness, number>;

/** After the last fault all views are right within so many probe intervals × log2(members + 1). */
export const convergenceRounds = 16;
export const convergenceMs = (members: number): number =>
  Math.ceil(convergenceRounds * Math.log2(members + 1)) * limits.probeIntervalMs;

/**
 * A ping, a second one and three requests per interval, answers to as many from every other, each with all
 * the rumours and beats that fit.
 */
export const gossipBytesPerSecondMax = (members: number): number => 6_000 + 3_000 * members;

export function createGossipOracle(report: Report, nowMs: () => number): GossipOracle {
  const talks = new Map<PeerId, Talk>();
  /** The highest incarnation that a peer itself has spoken of, in all its runs, and in its former ones. */
  const own = new Map<PeerId, number>(), former = new Map<PeerId, number>();
  /** Peers whose next run knows nothing of the former ones. */
  const forgetful = new Set<PeerId>();
  /** By viewer's name: what it believes of others; whoever is not there is taken for alive. */
  const views = new Map<string, Map<string, Liveness>>();
  let calm: ReadonlyMap<string, Expected> | null = null;
  const bytes = new Map<PeerId, number>();
  let measuredMs = 0;

  function talkOf(peer: PeerId): Talk {
    let found = talks.get(peer);
    if (found === undefined) talks.set(peer, found = { said: new Map(), beats: new Map() });
    return found;
  }

  function spoke(peer: PeerId, incarnation: number): void {
    const before = former.get(peer);
    if (before !== undefined && incarnation <= before) {
      report('incarnation-grows',
        `${peer} calls itself incarnation ${incarnation}, in an earlier run it was ${before}`);
    }
    if (incarnation > (own.get(peer) ?? -1)) own.set(peer, incarnation);
  }

  function checkRumour(peer: PeerId, { said }: Talk, rumour: Rumour): void {
    const { peer: of, incarnation, status } = rumour;
    if (of === peer) spoke(peer, incarnation);
    else if (incarnation > (own.get(of) ?? 0)) {
      report('no-resurrection',
        `${peer} says that ${of} is ${status} in incarnation ${incarnation}, which it never was`);
    }
    const before = said.get(of), now = rank[status];
    if (before !== undefined
      && (incarnation < before.incarnation || (incarnation === before.incarnation && now < before.rank))) {
      report('no-resurrection', `${peer} says that ${of} is ${status} in incarnation ${incarnation}, after `
        + `${Object.keys(rank)[before.rank] ?? ''} in ${before.incarnation}`);
    }
    if (before === undefined || before.incarnation !== incarnation || before.rank !== now) {
      said.set(of, { incarnation, rank: now });
    }
  }

  function checkBeats(peer: PeerId, { beats: told }: Talk, { beats }: GossipMessage): void {
    for (const { peer: of, incarnation, sequence } of beats) {
      if (of === peer) spoke(peer, incarnation);
      const [last = 0, at = 0] = told.get(of) ?? [];
      if (incarnation < last || (incarnation === last && sequence < at)) {
        report('beats-go-forward', `${peer} tells of beat ${incarnation}/${sequence} of ${of}, after `
          + `${last}/${at}`);
      }
      told.set(of, [incarnation, sequence]);
    }
  }

  return {
    sent(peer, frame) {
      bytes.set(peer, (bytes.get(peer) ?? 0) + frame.length);
      const message = decodeMessage(frame);
      if (isRefusal(message) || message.kind !== 'gossip') return;
      const talk = talkOf(peer);
      for (const rumour of message.message.rumours) checkRumour(peer, talk, rumour);
      checkBeats(peer, talk, message.message);
    },
    noted({ peer, area, what, fields }) {
      if (area !== 'gossip' || what !== 'liveness') return;
      const subject = String(fields['peer']), status = fields['status'] as Liveness;
      let view = views.get(peer);
      if (view === undefined) views.set(peer, view = new Map());
      view.set(subject, status);
      const expected = calm?.get(subject);
      if (status === 'alive' || expected?.status !== 'alive' || !isCalm(peer)) return;
      report('bounded-suspicion', `${peer} takes ${expected.name}, which lives and is well, for ${status}`);
    },
    opened(peer, name) {
      talks.delete(peer);
      views.delete(name);
      const last = own.get(peer);
      if (forgetful.delete(peer)) former.delete(peer);
      else if (last !== undefined) former.set(peer, last);
    },
    members(peer, name, others) {
      talks.delete(peer);
      const view = views.get(name) ?? new Map<string, Liveness>();
      for (const subject of view.keys()) if (!others.includes(subject as PeerId)) view.delete(subject);
    },
    wiped(peer) { forgetful.add(peer); },
    converged(expected) {
      const live = expected.filter(({ status }) => status === 'alive');
      for (const viewer of live) {
        for (const { id, name, status } of expected) {
          if (id === viewer.id) continue;
          const believed = views.get(viewer.name)?.get(id) ?? 'alive';
          if (believed === status) continue;
          report('gossip-converges', `${viewer.name} takes ${name} for ${believed}, ${name} is ${status}`);
        }
      }
      calm = new Map(expected.map((each) => [each.id, each]));
    },
    measure(names) {
      const seconds = (nowMs() - measuredMs) / 1_000, most = gossipBytesPerSecondMax(names.size);
      for (const [peer, sum] of bytes) {
        if (calm !== null && seconds >= 5 && sum / seconds > most) {
          report('bounded-gossip', `${names.get(peer) ?? peer} sends ${Math.round(sum / seconds)} bytes of `
            + `gossip a second, more than ${most}`);
        }
      }
      bytes.clear();
      measuredMs = nowMs();
    },
  };

  function isCalm(viewer: string): boolean {
    return [...calm?.values() ?? []].some(({ name, status }) => name === viewer && status === 'alive');
  }
}
