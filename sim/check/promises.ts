// Oracles of what peers promise each other. A vote is a promise, and so is an answer that entries are there:
// others count on them at once. Judged from what leaves a peer and what its disk holds, so no crash has to
// come at the right moment to show that a promise was given too early.
//
// What always holds: a promise of a term that its giver has left behind on disk binds nobody any more.

import type { PeerId } from '../../cluster/ids.ts';
import type { LogMessage } from '../../cluster/log/types.ts';
import type { DiskWrite } from '../../cluster/ports.ts';
import type { DiskView } from './log.ts';
import type { Report } from './oracle.ts';

export interface PromisesOracle {
  sent(peer: PeerId, to: PeerId, message: LogMessage): void;
  wrote(peer: PeerId, write: DiskWrite): void;
  /** It comes back with an empty disk: a newcomer has promised nothing. */
  wiped(peer: PeerId): void;
}

/** Up to where a peer has said, in this term, that it has the leader's entries. */
interface Answered { readonly term: number; readonly index: number }

export function createPromisesOracle(
  report: Report, diskOf: ReadonlyMap<PeerId, DiskView>,
): PromisesOracle {
  const answered = new Map<PeerId, Answered>();
  /** By peer: the term that it last handed to its disk. */
  const terms = new Map<PeerId, number>();

  function checkVote(disk: DiskView, term: number, candidate: PeerId): void {
    const { hard } = disk.synced;
    if (hard.term > term || (hard.term === term && hard.vote === candidate)) return;
    report('promises-are-durable', `${disk.name} gives its vote in term ${term} to ${candidate}, but on its `
      + `disk are term ${hard.term} and the vote ${hard.vote ?? 'for nobody'}`);
  }

  function checkEntries(disk: DiskView, term: number, index: number): void {
    const { hard, snapshot, entries } = disk.synced, last = entries.at(-1)?.index ?? 0;
    if (hard.term > term || (hard.term === term && Math.max(snapshot.index, last) >= index)) return;
    report('promises-are-durable', `${disk.name} says in term ${term} that it has all up to ${index}, but on `
      + `its disk are term ${hard.term} and entries up to ${Math.max(snapshot.index, last)}`);
  }

  function answers(peer: PeerId, term: number, index: number): void {
    const before = answered.get(peer);
    if (before === undefined || term > before.term || index > before.index) {
      answered.set(peer, { term, index });
    }
  }

  return {
    sent(peer, to, message) {
      const disk = diskOf.get(peer);
      if (disk === undefined) return;
      const { term } = message;
      if (message.type === 'vote') checkVote(disk, term, peer);
      else if (message.type === 'vote-reply' && message.granted) checkVote(disk, term, to);
      else if ((message.type === 'append-reply' && message.ok)
        || (message.type === 'snapshot-reply' && message.done)) {
        checkEntries(disk, term, message.index);
        answers(peer, term, message.index);
      }
    },
    wrote(peer, { hard, truncateAfter, entries }) {
      if (hard !== undefined) terms.set(peer, hard.term);
      const promise = answered.get(peer), [first] = entries;
      const kept = Math.min(truncateAfter ?? Infinity, first === undefined ? Infinity : first.index - 1);
      if (promise === undefined || kept >= promise.index || terms.get(peer) !== promise.term) return;
      report('promises-are-kept', `${peer} drops what comes after ${kept}, but has told the leader of term `
        + `${promise.term} that it has all up to ${promise.index}`);
    },
    wiped(peer) {
      answered.delete(peer);
      terms.delete(peer);
    },
  };
}
