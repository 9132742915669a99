// The giving side of repair: committed entries from the own log, or, where they are compacted, a snapshot of
// the state in chunks. What always holds: at most one encoded snapshot is kept, until nobody has asked for it
// for `repairSnapshotKeptMs`; a pull of any size costs one message of at most about `repairBytesMax`.

import type { PeerId } from '../ids.ts';
import { index } from '../ids.ts';
import { limits } from '../limits.ts';
import type { SnapshotMeta } from '../log/types.ts';
import type { FeedBatch, RepairEffect, RepairMessage, RepairView } from './types.ts';

interface Snapshot { readonly meta: SnapshotMeta; readonly data: Uint8Array }

export interface Served {
  snapshot: Snapshot | null;
  usedMs: number;
}

export function createServed(): Served {
  return { snapshot: null, usedMs: 0 };
}

type Asked = Extract<RepairMessage, { type: 'pull' | 'pull-snapshot' }>;

export function serve(
  served: Served, self: PeerId, to: PeerId, asked: Asked, view: RepairView, nowMs: number,
  out: RepairEffect[],
): void {
  const { id } = asked;
  if (asked.type === 'pull-snapshot') {
    const kept = served.snapshot;
    if (kept !== null && kept.meta.index === asked.index) {
      return sendChunk(served, kept, to, id, asked.offset, nowMs, out);
    }
    return sendChunk(served, freshSnapshot(served, view), to, id, 0, nowMs, out);
  }
  const range = view.entriesFrom(asked.first, limits.repairBytesMax);
  if (range === 'compacted') return sendChunk(served, freshSnapshot(served, view), to, id, 0, nowMs, out);
  const last = range.entries.at(-1);
  if (last === undefined) {
    out.push({ type: 'send', to, message: { type: 'nothing', id, applied: view.applied } });
    return;
  }
  const batch: FeedBatch = {
    from: self, term: view.term, first: asked.first, prevTerm: range.prevTerm, entries: range.entries,
  };
  const commit = index(Math.max(view.applied, last.index));
  out.push({ type: 'send', to, message: { type: 'range', id, batch, commit } });
}

/** Drops the snapshot that nobody asked for lately. */
export function expireServed(served: Served, nowMs: number, out: RepairEffect[]): void {
  if (served.snapshot === null) return;
  const left = served.usedMs + limits.repairSnapshotKeptMs - nowMs;
  if (left <= 0) served.snapshot = null;
  else out.push({ type: 'arm', timer: 'repair-snapshot', ms: left });
}

/** The kept snapshot if the log goes on from it, else one of the state as it is now; null: not made yet. */
function freshSnapshot(served: Served, view: RepairView): Snapshot | null {
  const kept = served.snapshot;
  if (kept !== null && view.entriesFrom(index(kept.meta.index + 1), 1) !== 'compacted') return kept;
  return view.snapshotNow();
}

function sendChunk(
  served: Served, snapshot: Snapshot | null, to: PeerId, id: number, offset: number, nowMs: number,
  out: RepairEffect[],
): void {
  // The asker tries somebody else after a while, and comes back.
  if (snapshot === null) return;
  const { meta, data } = snapshot;
  if (offset >= data.length) return;
  if (served.snapshot === null) {
    out.push({ type: 'arm', timer: 'repair-snapshot', ms: limits.repairSnapshotKeptMs });
  }
  served.snapshot = snapshot;
  served.usedMs = nowMs;
  const chunk = data.subarray(offset, offset + limits.snapshotChunkBytes);
  const message = { type: 'snapshot-chunk', id, meta, offset, total: data.length, data: chunk } as const;
  out.push({ type: 'send', to, message });
}
