// The three ways the log itself changes: entries are added, dropped, or become committed. Here the list of
// memberships is kept in step with the entries, and the disk's share is noted.

import { assert } from '../assert.ts';
import type { Index } from '../ids.ts';
import { decodeMembers, isRefusal } from '../wire.ts';
import { noteAppended, noteTruncated } from './durable.ts';
import type { Log } from './log.ts';
import { configAt, createConfig, forgetConfigs, lastConfig } from './members.ts';
import type { Config } from './members.ts';
import type { Entry, SnapshotMeta } from './types.ts';

/** Adds entries that follow the last one. The array is kept, so nobody may change it afterwards. */
export function appendEntries(log: Log, entries: readonly Entry[]): void {
  if (entries.length === 0) return;
  log.entries.append(entries);
  noteAppended(log, entries);
  for (const entry of entries) if (entry.kind === 'config') log.configs.push(configOf(entry));
}

/**
 * Takes over entries `entries[0].index …` of a log that is known to agree with this one before them, and to
 * hold everything committed here: what is here already stays, what contradicts them is dropped.
 */
export function mergeEntries(log: Log, entries: readonly Entry[]): void {
  const first = entries[0];
  if (first === undefined) return;
  let at = Math.max(0, log.entries.commit + 1 - first.index);
  while (at < entries.length && log.entries.termAt(first.index + at) === entries[at]?.term) at += 1;
  if (at >= entries.length) return;
  const after = (first.index + at - 1) as Index;
  if (after < log.entries.lastIndex) truncateEntries(log, after);
  appendEntries(log, at === 0 ? entries : entries.slice(at));
}

function truncateEntries(log: Log, after: Index): void {
  log.entries.truncateAfter(after);
  noteTruncated(log, after);
  while (lastConfig(log.configs).index > after) log.configs.pop();
}

/** Entries up to `to` are committed: they are handed to the state, each once. */
export function commitTo(log: Log, to: Index): void {
  const { entries } = log;
  if (to <= entries.commit) return;
  const committed = entries.slice(entries.commit + 1, to);
  entries.commit = to;
  log.out.push({ type: 'commit', entries: committed });
  if (log.leading === null) return;
  for (const { index, data } of committed) {
    if (index >= log.leading.noop) log.leading.uncommittedBytes -= data.length;
  }
}

/** The state is saved up to `saved`: all but a tail of the entries up to there may go. */
export function onCompacted(log: Log, saved: Index): void {
  if (saved > log.entries.commit) return;
  log.entries.forget(log.entries.forgettable(saved, log.bounds.logEntriesKept));
  log.configs = forgetConfigs(log.configs, log.entries.base);
}

/** What a snapshot of the state at `index` must say of itself; null for an index that isn't held here. */
export function metaAt(log: Log, index: Index): SnapshotMeta | null {
  const term = log.entries.termAt(index);
  return term === null ? null : { index, term, members: configAt(log.configs, index).members };
}

export function configOf(entry: Entry): Config {
  const members = decodeMembers(entry.data);
  assert(!isRefusal(members), `config entry ${entry.index} can't be read`);
  return createConfig(entry.index, members);
}

/** Entries from outside: contiguous, of plausible terms, their memberships readable. */
export function wellFormed(
  entries: readonly Entry[], prevIndex: number, prevTerm: number, termMax: number,
): boolean {
  let at = prevIndex, before = prevTerm;
  for (const entry of entries) {
    at += 1;
    if (entry.index !== at || !(entry.term >= before) || !(entry.term <= termMax)) return false;
    if (entry.kind === 'config' && isRefusal(decodeMembers(entry.data))) return false;
    before = entry.term;
  }
  return Number.isSafeInteger(prevIndex) && prevIndex >= 0 && Number.isSafeInteger(before);
}
