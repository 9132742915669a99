// Snapshots of the state for other peers: for a follower of this leader, for a member that repairs itself. A
// large state is encoded a few pieces at a time, so that the peer goes on with its other work.
//
// What always holds: a snapshot is of one revision, whatever is applied while it is made; one is made at a
// time, for all who ask meanwhile; one that nobody fetches is dropped.

import { limits } from '../../cluster/limits.ts';
import type { SnapshotMeta } from '../../cluster/log/types.ts';
import { encodeChunks, joined } from '../../cluster/state/snapshot.ts';
import type { Core } from './core.ts';

export interface Snapshot { readonly meta: SnapshotMeta; readonly data: Uint8Array }

export interface Snapshots {
  /** Calls back with one of the state as it is now, or with the one that is being made already. */
  make(done: (snapshot: Snapshot) => void): void;
  /** What a small state gives at once; of a large one, what was made since it was asked for; or null. */
  now(): Snapshot | null;
}

/** Pieces of about 256 KiB that are encoded in one event. */
const piecesPerStep = 2;

export function createSnapshots(core: Core, meta: () => SnapshotMeta): Snapshots {
  let waiting: ((snapshot: Snapshot) => void)[] = [];
  let under: { readonly meta: SnapshotMeta; readonly pieces: Uint8Array[] } | null = null;
  let made: Snapshot | null = null;
  let chunks: Generator<Uint8Array, void, void>;

  function make(done: (snapshot: Snapshot) => void): void {
    waiting.push(done);
    if (under !== null) return;
    under = { meta: meta(), pieces: [] };
    chunks = encodeChunks(core.state);
    step();
  }

  function step(): void {
    if (under === null) return;
    for (let piece = 0; piece < piecesPerStep; piece += 1) {
      const next = chunks.next();
      if (next.done === true) return finish({ meta: under.meta, data: joined(under.pieces) });
      under.pieces.push(next.value);
    }
    core.arm('snapshot/encode', 0, step);
  }

  function finish(snapshot: Snapshot): void {
    const all = waiting;
    waiting = [];
    under = null;
    for (const done of all) done(snapshot);
  }

  return {
    make,
    now() {
      if (made === null && waiting.length === 0) {
        make((snapshot) => {
          made = snapshot;
          core.arm('snapshot/forget', limits.repairSnapshotKeptMs, () => { made = null; });
        });
      }
      const taken = made;
      made = null;
      if (taken !== null) core.disarm('snapshot/forget');
      return taken;
    },
  };
}
