// The follower's side: appends from the leader, and committed entries that come past it (the commit feed and
// repair), for learners above all.
// What always holds: what is committed here is never given up, whatever a message says; an answer that
// promises entries leaves only once they are on disk.

import { index as toIndex } from '../ids.ts';
import type { PeerId, Term } from '../ids.ts';
import { sendDurably } from './durable.ts';
import type { Log } from './log.ts';
import { commitTo, mergeEntries, wellFormed } from './record.ts';
import { becomeFollower, hear } from './role.ts';
import type { Entry, LogMessage } from './types.ts';

type Append = Extract<LogMessage, { readonly type: 'append' }>;

/** An append of this term. */
export function onAppend(log: Log, from: PeerId, append: Append): void {
  const { prevIndex, prevTerm, round } = append;
  if (!accepts(log, from) || !wellFormed(append.entries, prevIndex, prevTerm, log.term)) return;
  hear(log, from);
  const { entries } = log;
  if (prevIndex > entries.commit && entries.termAt(prevIndex) !== prevTerm) {
    // The longest prefix that may still agree: everything here of a term above `prevTerm` can't.
    const index = entries.lastOfTerm(prevIndex, prevTerm);
    const hintTerm = entries.termAt(index) ?? (0 as Term);
    const reply = { type: 'append-reply', term: log.term, ok: false, round, index, hintTerm } as const;
    sendDurably(log, from, { ...reply, rejected: prevIndex });
    return;
  }
  // What is committed here is in the leader's log too: it agrees up to there, even if `prevIndex` is lower.
  mergeEntries(log, append.entries);
  const agreed = Math.max(prevIndex + append.entries.length, entries.commit);
  commitTo(log, toIndex(Math.min(append.commit, agreed)));
  if (round === 0 && append.entries.length === 0) return;
  const reply = { type: 'append-reply', term: log.term, ok: true, round } as const;
  sendDurably(log, from, { ...reply, index: toIndex(agreed), hintTerm: 0 as Term });
}

/** One leader a term: another that claims to be it is not believed. A learner's leader is hearsay. */
export function accepts(log: Log, from: PeerId): boolean {
  return log.leading === null && (log.leader === null || log.leader === from || log.role === 'learner');
}

/**
 * Committed entries that any member may pass on. `prevTerm` is the term of the entry before them; without it
 * they must begin no later than what is committed here ends.
 */
export function onLearned(log: Log, learned: readonly Entry[], prevTerm: Term | null): void {
  const first = learned[0], last = learned.at(-1);
  if (first === undefined || last === undefined) return;
  if (!wellFormed(learned, first.index - 1, prevTerm ?? 0, Number.MAX_SAFE_INTEGER)) return;
  const { entries } = log;
  if (first.index > entries.commit + 1) {
    const before = entries.termAt(first.index - 1);
    if (before === null || before !== prevTerm) return;
  }
  if (last.index <= entries.commit) return;
  if (last.term > log.term) becomeFollower(log, last.term, null);
  // A leader's log holds all that is committed up to its own term.
  if (log.leading !== null) return;
  mergeEntries(log, learned);
  commitTo(log, last.index);
}

/** Who leads, by hearsay: only a learner needs it. */
export function onLeaderKnown(log: Log, leader: PeerId, term: Term): void {
  if (log.role !== 'learner' || leader === log.self || term < log.term) return;
  if (term > log.term) becomeFollower(log, term, leader);
  log.leader = leader;
}
