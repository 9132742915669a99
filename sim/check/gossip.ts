// Oracles of the gossip plane, judged from what peers believe (their notes of liveness) and how much they
// say: views agree soon after the last fault, nobody is suspected for nothing, and talk is bounded. What they
// say is judged in `words.ts`.

import type { PeerId } from '../../cluster/ids.ts';
import type { Liveness } from '../../cluster/gossip/types.ts';
import { limits } from '../../cluster/limits.ts';
import type { Note } from '../ports/trace.ts';
import type { Report } from './oracle.ts';
import { createWordsOracle } from './words.ts';

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

/**
 * After the last fault all views are right within so many probe intervals × log2(members + 1): 24 s for 3
 * members, 32 s for 5. Seen: 11 s at most.
 */
export const convergenceRounds = 12;
export const convergenceMs = (members: number): number =>
  Math.ceil(convergenceRounds * Math.log2(members + 1)) * limits.probeIntervalMs;

/**
 * In peace, bytes per second of one peer: a ping and its answer per interval, others' pings answered, each
 * with the rumours and beats that are new. Seen: 226 for 3 members, 433 for 5, 857 for 9.
 */
export const gossipBytesPerSecondMax = (members: number): number => 500 + 300 * members;

export function createGossipOracle(report: Report, nowMs: () => number): GossipOracle {
  const words = createWordsOracle(report);
  /** By viewer's name: what it believes of others; whoever is not there is taken for alive. */
  const views = new Map<string, Map<string, Liveness>>();
  let calm: ReadonlyMap<string, Expected> | null = null;
  const bytes = new Map<PeerId, number>();
  let measuredMs = 0;

  return {
    sent(peer, frame) {
      bytes.set(peer, (bytes.get(peer) ?? 0) + frame.length);
      words.sent(peer, frame);
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
      words.opened(peer);
      views.delete(name);
    },
    members(peer, name, others) {
      words.forget(peer);
      const view = views.get(name) ?? new Map<string, Liveness>();
      for (const subject of view.keys()) if (!others.includes(subject as PeerId)) view.delete(subject);
    },
    wiped: words.wiped,
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
