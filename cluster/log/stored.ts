// What a disk holds of the log, as a pure value: the real adapter replays its records into it, the simulated
// one keeps it as the synced state, so that both give the same log back after the same writes.
// What always holds: `entries` is contiguous; an entry written at or below the last one cuts the log there.

import type { Index, Term } from '../ids.ts';
import { index, term } from '../ids.ts';
import type { Entry, HardState, LogRecovery, SnapshotMeta } from './types.ts';

export interface StoredLog {
  hard: HardState;
  snapshot: SnapshotMeta;
  /** May reach back behind the snapshot. */
  entries: Entry[];
}

export function emptyStoredLog(): StoredLog {
  return {
    hard: { term: term(0), vote: null },
    snapshot: { index: index(0), term: term(0), members: [] },
    entries: [],
  };
}

/** Stores one entry. False, and nothing is stored, if it would leave a gap after the last one. */
export function storeEntry(log: StoredLog, entry: Entry): boolean {
  const first = log.entries[0];
  if (first === undefined) {
    log.entries.push(entry);
    return true;
  }
  const at = entry.index - first.index;
  if (at > log.entries.length) return false;
  if (at < log.entries.length) log.entries.length = Math.max(0, at);
  log.entries.push(entry);
  return true;
}

/** Drops the entries above `after`. */
export function truncateStored(log: StoredLog, after: Index): void {
  const first = log.entries[0];
  if (first === undefined) return;
  log.entries.length = Math.min(log.entries.length, Math.max(0, after - first.index + 1));
}

/**
 * A snapshot that came from elsewhere stands in for the log up to its index. What lies beyond is kept only if
 * the log agrees with the snapshot at its index; a log that disagrees there was never committed.
 */
export function replaceStored(log: StoredLog, at: Index, snapshotTerm: Term): void {
  const first = log.entries[0];
  if (first === undefined) return;
  const position = at - first.index;
  if (position < -1) return;
  // Directly behind the snapshot: nothing of the log stands at its index, so nothing contradicts it.
  const agrees = position === -1 || log.entries[position]?.term === snapshotTerm;
  log.entries = agrees ? log.entries.slice(position + 1) : [];
}

/** Drops the entries at or below `keepFrom`: a snapshot covers them. */
export function compactStored(log: StoredLog, keepFrom: Index): void {
  const first = log.entries[0];
  if (first === undefined || keepFrom < first.index) return;
  log.entries.splice(0, keepFrom - first.index + 1);
}

/** What the log core is given at start, or where entries are missing behind the snapshot. */
export function recoverStored(log: StoredLog): LogRecovery | { readonly gapBefore: Index } {
  const behind = { ...log };
  replaceStored(behind, log.snapshot.index, log.snapshot.term);
  const first = behind.entries[0];
  if (first !== undefined && first.index > log.snapshot.index + 1) return { gapBefore: first.index };
  return { hard: log.hard, snapshot: log.snapshot, entries: behind.entries };
}
