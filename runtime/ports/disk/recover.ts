// Reads a peer's folder at start: the newest snapshot, then every frame of every segment in order.
// What always holds: either all that was ever acknowledged comes back, or the peer is refused to start.

import { index, term } from '../../../cluster/ids.ts';
import type { Entry } from '../../../cluster/log/types.ts';
import {
  compactStored, emptyStoredLog, recoverStored, replaceStored, storeEntry, truncateStored,
} from '../../../cluster/log/stored.ts';
import type { StoredLog } from '../../../cluster/log/stored.ts';
import type { DiskRecovery } from '../../../cluster/ports.ts';
import { openFrame, readRecords } from './records.ts';
import type { DiskRecord, Frame } from './records.ts';
import type { Seal } from './seal.ts';
import { DiskDamage, clearFrom, listSegments, scanSegment, segmentHeaderBytes } from './segments.ts';
import type { ScannedSegment, Segment } from './segments.ts';
import { readSnapshot } from './snapshots.ts';

export interface Recovered {
  readonly recovery: DiskRecovery;
  /** All segments, in order; empty for a new folder. */
  readonly segments: Segment[];
  /** The segment that the next frame goes to, by its place in `segments`, and where in it. */
  readonly active: number;
  readonly end: number;
  readonly nextFrame: number;
  /** The snapshot overruled the log: a record must say so before anything else is written. */
  readonly overruled: boolean;
  /** Some of it is not encrypted, or not by the key that seals now. */
  readonly stale: boolean;
}

interface Replay {
  readonly directory: string;
  readonly log: StoredLog;
  readonly facts: Map<string, string>;
  readonly segments: Segment[];
  readonly seal: Seal;
  stale: boolean;
}

export async function recoverFolder(directory: string, folder: string, seal: Seal): Promise<Recovered> {
  const snapshot = await readSnapshot(directory, folder, seal);
  const replay: Replay = {
    directory, log: emptyStoredLog(), facts: new Map(), segments: [], seal,
    stale: snapshot?.current === false,
  };
  if (snapshot !== null) replay.log.snapshot = snapshot.meta;
  const torn: ScannedSegment[] = [];
  let active = 0, end = segmentHeaderBytes, nextFrame: number | null = null;
  for (const sequence of await listSegments(directory, folder)) {
    const scanned = await scanSegment(directory, folder, sequence, nextFrame);
    replay.segments.push(scanned.segment);
    for (const frame of scanned.frames) replayFrame(replay, scanned.segment, frame);
    nextFrame = (scanned.frames.at(-1)?.number ?? (nextFrame ?? 1) - 1) + 1;
    if (scanned.dirty) torn.push(scanned);
    if (scanned.frames.length > 0 || replay.segments.length === 1) {
      active = replay.segments.length - 1;
      end = scanned.end;
    }
  }
  const overruled = isOverruled(replay.log);
  const log = recoverStored(replay.log);
  if ('gapBefore' in log) {
    throw new DiskDamage(directory, replay.segments[0]?.path ?? folder, segmentHeaderBytes,
      `the log starts at entry ${log.gapBefore}, but the snapshot ends at ${replay.log.snapshot.index}`);
  }
  for (const { segment, end: from } of torn) await clearFrom(segment, from);
  return {
    recovery: {
      log: { ...log, hard: atLeast(log.hard, log.snapshot.term) },
      snapshot: snapshot?.data ?? null,
      facts: Object.fromEntries([...replay.facts].sort(([a], [b]) => (a < b ? -1 : 1))),
    },
    segments: replay.segments, active, end, nextFrame: nextFrame ?? 1, overruled,
    stale: replay.stale,
  };
}

function isOverruled({ entries, snapshot }: StoredLog): boolean {
  const at = entries[snapshot.index - (entries[0]?.index ?? 0)];
  return at !== undefined && at.term !== snapshot.term;
}

/** A crash between a received snapshot and its record may leave the term behind; no vote came in between. */
function atLeast(hard: StoredLog['hard'], snapshotTerm: number): StoredLog['hard'] {
  return hard.term >= snapshotTerm ? hard : { term: term(snapshotTerm), vote: null };
}

function replayFrame(replay: Replay, segment: Segment, frame: Frame): void {
  const opened = openFrame(frame, replay.seal);
  if ('refused' in opened) {
    throw new DiskDamage(replay.directory, segment.path, frame.offset,
      `the record has a valid checksum, but ${opened.refused}`);
  }
  replay.stale ||= !opened.current;
  const records = readRecords(opened.plain);
  if (records === null) {
    throw new DiskDamage(replay.directory, segment.path, frame.offset,
      'the record has a valid checksum but an unknown content; it was perhaps written by a newer version');
  }
  for (const record of records) {
    if (replayRecord(replay, record)) continue;
    throw new DiskDamage(replay.directory, segment.path, frame.offset,
      `the entries before ${record.kind === 'entry' ? record.entry.index : 'it'} are missing`);
  }
  trackIndexes(replay.segments, segment, records);
}

function replayRecord(replay: Replay, record: DiskRecord): boolean {
  const { log } = replay;
  switch (record.kind) {
    case 'hard': log.hard = record.hard; return true;
    case 'truncate': truncateStored(log, record.after); return true;
    case 'replace': replaceStored(log, record.index, record.term); return true;
    case 'fact': replay.facts.set(record.name, record.value); return true;
    case 'entry': {
      if (storeEntry(log, record.entry)) return true;
      // Entries that the snapshot covers may be missing; the log goes on behind it.
      if (record.entry.index > log.snapshot.index + 1) return false;
      compactStored(log, index(record.entry.index - 1));
      return storeEntry(log, record.entry);
    }
  }
}

/** Keeps each segment's highest index that still counts, as records are written or replayed. */
export function trackIndexes(
  segments: readonly Segment[], into: Segment, records: readonly DiskRecord[],
): void {
  for (const record of records) {
    if (record.kind === 'entry') noteEntry(segments, into, record.entry);
    else if (record.kind === 'truncate') lower(segments, record.after);
  }
}

function noteEntry(segments: readonly Segment[], into: Segment, entry: Entry): void {
  if (entry.index <= into.lastIndex) lower(segments, entry.index - 1);
  into.lastIndex = entry.index;
}

function lower(segments: readonly Segment[], to: number): void {
  for (const segment of segments) segment.lastIndex = Math.min(segment.lastIndex, to);
}
