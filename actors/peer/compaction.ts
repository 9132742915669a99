// When the state is saved as a snapshot, so that the log before it can be forgotten. The disk asks for one
// piece after the other as it writes them, so that neither the peer falls silent meanwhile nor a second copy
// of the state is held in memory.
//
// What always holds: one snapshot is being saved at a time; it is of one revision, whatever is applied
// meanwhile; what is written for snapshots stays within a constant factor of what is written at all, for the
// next one is due when the log has grown by as much as the last one's size.

import { limits } from '../../cluster/limits.ts';
import type { Index } from '../../cluster/ids.ts';
import type { Entry, SnapshotMeta } from '../../cluster/log/types.ts';
import { encodeChunks } from '../../cluster/state/snapshot.ts';
import type { Core } from './core.ts';

export interface Compaction {
  applied(entry: Entry): void;
  /** Between events: begins a snapshot if one is due. */
  review(): void;
  /** The disk has the snapshot of this index. */
  saved(at: Index): void;
  /** The whole state was replaced by a snapshot, which is on disk. */
  replaced(bytes: number): void;
}

export function createCompaction(core: Core, entriesHeld: number, meta: () => SnapshotMeta): Compaction {
  const bounds = core.config.logBounds ?? {};
  const entriesKept = bounds.logEntriesKept ?? limits.logEntriesKept;
  const entriesMax = bounds.logEntriesBeforeSnapshot ?? limits.logEntriesBeforeSnapshot;
  let entries = entriesHeld, bytes = 0, lastBytes = 0;
  /** The snapshot under way; another one, or none, takes its place when the state is replaced. */
  let under: SnapshotMeta | null = null;

  function due(): boolean {
    if (under !== null || bytes < lastBytes) return false;
    return entries >= entriesMax || bytes >= limits.logBytesBeforeSnapshot;
  }

  function begin(): void {
    const of = meta(), chunks = encodeChunks(core.state);
    under = of;
    entries = 0;
    bytes = 0;
    lastBytes = 0;
    function* counted(): Generator<Uint8Array, void, void> {
      for (const chunk of chunks) {
        if (under === of) lastBytes += chunk.length;
        yield chunk;
      }
    }
    core.ports.disk.saveSnapshot(of, counted(), Math.max(0, of.index - entriesKept) as Index);
  }

  return {
    applied(entry) {
      entries += 1;
      bytes += entry.data.length;
    },
    review() { if (due()) begin(); },
    saved(at) { if (under?.index === at) under = null; },
    replaced(size) {
      under = null;
      entries = 0;
      bytes = 0;
      lastBytes = size;
    },
  };
}
