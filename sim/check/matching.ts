// Oracles of how logs come to agree: what a peer said that it has is there after a restart, a leader never
// forgets what it was told, and only what contradicts the leader is given up.
//
// Judged from the messages and the disks alone: a peer that believes something else believes wrongly.

import type { PeerId } from '../../cluster/ids.ts';
import type { LogDescription } from '../../cluster/log/log.ts';
import type { LogRecovery } from '../../cluster/log/types.ts';
import type { DiskWrite } from '../../cluster/ports.ts';
import { logNumbers, logTypes } from './frames.ts';
import type { DiskView, LogOracle } from './log.ts';
import type { Report } from './oracle.ts';

export interface MatchingOracle {
  /** A frame of the log leaves a peer. */
  sent(peer: PeerId, to: PeerId, frame: Uint8Array): void;
  /** A frame of the log is about to be handled. */
  heard(peer: PeerId, from: PeerId, frame: Uint8Array): void;
  /** A write, before the log oracle has taken it in. */
  wrote(peer: PeerId, write: DiskWrite): void;
  opened(peer: PeerId, recovery: LogRecovery): void;
  /** Role, term or membership after an event, where one of them changed. */
  looked(peer: PeerId, log: LogDescription): void;
  /** Its disk was emptied: it has promised nothing. */
  wiped(peer: PeerId): void;
}

/** Entries up to `index` are on this peer's disk, it said; the one at `index` is of `term`. */
interface Promised { index: number; term: number }

/** One leader's knowledge of the others in its term. */
interface Leading { readonly term: number; readonly match: Map<PeerId, number> }

export function createMatchingOracle(
  report: Report, log: LogOracle, diskOf: ReadonlyMap<PeerId, DiskView>,
): MatchingOracle {
  const promised = new Map<PeerId, Promised>();
  const leading = new Map<PeerId, Leading>();

  /** Who leads in a term was elected in it: by its own vote too, which is on its disk by then. */
  function checkTerm(peer: PeerId, term: number): void {
    const hard = diskOf.get(peer)?.synced.hard;
    if (hard === undefined || hard.term > term || (hard.term === term && hard.vote === peer)) return;
    report('promises-are-durable', `${peer} leads in term ${term}, its disk has term ${hard.term} and a vote `
      + `for ${hard.vote ?? 'nobody'}`);
  }

  function promise(peer: PeerId, index: number): void {
    const term = log.termAt(peer, index), before = promised.get(peer);
    if (term === null || (before !== undefined && before.index >= index)) return;
    promised.set(peer, { index, term });
  }

  /** A leader that was told how far another log agrees never asks for what lies before. */
  function checkMatch(leader: PeerId, to: PeerId, term: number, prevIndex: number): void {
    const known = leading.get(leader), match = known?.term === term ? known.match.get(to) ?? 0 : 0;
    // From nothing, it claims nothing: so it speaks to one that waits for a snapshot.
    if (prevIndex === 0 || prevIndex >= match) return;
    report('match-grows', `${leader} leads in term ${term} and sends ${to} what follows ${prevIndex}, `
      + `after ${to} said that it agrees up to ${match}`);
  }

  return {
    sent(peer, to, frame) {
      const [type, term = 0, third = 0] = logNumbers(frame, 3) ?? [];
      if (type === logTypes.append) {
        checkTerm(peer, term);
        checkMatch(peer, to, term, third);
      } else if (type === logTypes['append-reply'] && third === 1) {
        promise(peer, (logNumbers(frame, 5) ?? [])[4] ?? 0);
      } else if (type === logTypes['snapshot-reply'] && (logNumbers(frame, 5) ?? [])[4] === 1) {
        promise(peer, third);
      }
    },
    heard(peer, from, frame) {
      const [type, term, ok, , index = 0] = logNumbers(frame, 5) ?? [];
      const known = leading.get(peer);
      if (type !== logTypes['append-reply'] || ok !== 1 || known === undefined || known.term !== term) return;
      const match = known.match.get(from);
      if (match !== undefined && index > match && log.termAt(peer, index) !== null) {
        known.match.set(from, index);
      }
    },
    wrote(peer, { truncateAfter, snapshot, entries }) {
      if (truncateAfter === undefined) return;
      const before = promised.get(peer);
      if (before !== undefined && before.index > truncateAfter) {
        const term = log.termAt(peer, truncateAfter);
        if (term === null) promised.delete(peer);
        else promised.set(peer, { index: truncateAfter, term });
      }
      const gone = log.termAt(peer, truncateAfter + 1);
      if (snapshot !== undefined || gone === null) return;
      const first = entries.find(({ index }) => index === truncateAfter + 1);
      if (first !== undefined && first.term !== gone) return;
      report('gives-up-contradictions-only', `${peer} drops entry ${truncateAfter + 1} of term ${gone}, `
        + (first === undefined ? 'and nothing contradicts it' : 'and writes the same again'));
    },
    opened(peer, { snapshot, entries }) {
      leading.delete(peer);
      const before = promised.get(peer);
      if (before === undefined || snapshot.index >= before.index) return;
      const found = entries.find(({ index }) => index === before.index);
      if (found?.term === before.term) return;
      report('promises-outlive-restarts', `${peer} said that it has entry ${before.index} of term `
        + `${before.term}, and starts again `
        + (found === undefined ? 'without it' : `with one of term ${found.term}`));
    },
    looked(peer, { role, term, voters }) {
      const known = leading.get(peer);
      if (role !== 'leader') {
        leading.delete(peer);
        return;
      }
      // Whoever became a voter, again perhaps, begins with nothing.
      const match = new Map<PeerId, number>();
      for (const voter of voters) match.set(voter, known?.term === term ? known.match.get(voter) ?? 0 : 0);
      leading.set(peer, { term, match });
    },
    wiped(peer) {
      promised.delete(peer);
      leading.delete(peer);
      for (const { match } of leading.values()) if (match.has(peer)) match.set(peer, 0);
    },
  };
}
