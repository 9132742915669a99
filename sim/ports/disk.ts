// A peer's disk in the simulated world: what is synced, and what is on its way. A crash keeps a prefix of the
// writes on their way, drawn from the seed; a record torn in the middle is cut at recovery, so it is not in
// the prefix. What always holds: what `persisted` was told of survives every crash; nothing is delivered to
// the peer of an earlier incarnation.

import { assert } from '../../cluster/assert.ts';
import type { Index } from '../../cluster/ids.ts';
import type { SnapshotMeta } from '../../cluster/log/types.ts';
import {
  compactStored, emptyStoredLog, recoverStored, replaceStored, storeEntry, truncateStored,
} from '../../cluster/log/stored.ts';
import type { StoredLog } from '../../cluster/log/stored.ts';
import type { DiskEvent, DiskPort, DiskRecovery, DiskWrite } from '../../cluster/ports.ts';
import { hash32 } from '../../cluster/random.ts';
import type { SimScheduler, SimTask } from '../heap.ts';

export interface DiskConditions {
  /** One sync takes a time in this range. */
  readonly syncMsMin: number;
  readonly syncMsMax: number;
}

export const fastDisk: DiskConditions = { syncMsMin: 0.1, syncMsMax: 0.5 };

/** One peer's disk. It outlives the peer's incarnations: `open` starts the next one. */
export interface SimDisk {
  /** What a peer finds at start, and its port. The former incarnation must have crashed. */
  open(deliver: (event: DiskEvent) => void): { readonly port: DiskPort; readonly recovery: DiskRecovery };
  /** Power fails: of the writes not yet synced, a drawn prefix survives. */
  crash(): void;
  /** The process ends in good order: everything written is synced first. */
  close(): void;
  /** The next sync fails with this message, and the peer must stop. */
  failNextSync(message: string): void;
  setConditions(conditions: DiskConditions): void;
  /** Everything is gone, as when the machine is replaced. Only while closed. */
  wipe(): void;
  /** What is on stable storage now; for checkers, which must not change it. */
  readonly synced: Readonly<StoredLog>;
  stats(): { readonly syncs: number; readonly writes: number; readonly pending: number };
}

/** The smallest thing that a crash keeps or loses. */
type Operation =
  | { readonly kind: 'change'; readonly apply: () => void }
  /** Ends a call: everything before it is in place. */
  | { readonly kind: 'done'; readonly event: DiskEvent };

export function createDisk(
  scheduler: SimScheduler, seed: number, conditions: DiskConditions = fastDisk,
): SimDisk {
  let log = emptyStoredLog();
  let data: Uint8Array | null = null;
  let facts = new Map<string, string>();
  let pending: Operation[] = [];
  let task: SimTask | null = null;
  let deliver: ((event: DiskEvent) => void) | null = null;
  let failure: string | null = null, failed = false;
  let syncs = 0, writes = 0, crashes = 0, incarnation = 0;

  function change(apply: () => void): void { pending.push({ kind: 'change', apply }); }
  function storeSnapshot(meta: SnapshotMeta, bytes: Uint8Array): void {
    log.snapshot = meta;
    data = bytes;
  }
  function enqueueWrite(write: DiskWrite): void {
    const { hard, snapshot, truncateAfter, entries, token } = write;
    if (hard !== undefined) change(() => { log.hard = hard; });
    if (snapshot !== undefined) {
      const { meta } = snapshot;
      change(() => {
        storeSnapshot(meta, snapshot.data);
        replaceStored(log, meta.index, meta.term);
      });
    }
    if (truncateAfter !== undefined) change(() => truncateStored(log, truncateAfter));
    for (const entry of entries) {
      change(() => assert(storeEntry(log, entry), `entry ${entry.index} without the one before it`));
    }
    pending.push({ kind: 'done', event: { type: 'persisted', token } });
  }
  function enqueueSnapshot(meta: SnapshotMeta, bytes: Uint8Array, keepFrom: Index): void {
    change(() => {
      if (meta.index > log.snapshot.index) storeSnapshot(meta, bytes);
      compactStored(log, keepFrom);
    });
    pending.push({ kind: 'done', event: { type: 'snapshot-saved', index: meta.index } });
  }
  /** One sync at a time; what comes while it runs is joined into the next. */
  function startSync(): void {
    if (task !== null || pending.length === 0 || failed) return;
    const batch = pending.length;
    syncs += 1;
    const { syncMsMin, syncMsMax } = conditions;
    const share = (hash32(seed, incarnation, syncs) % 1_000) / 1_000;
    const ms = syncMsMin + (syncMsMax - syncMsMin) * share;
    task = scheduler.at(scheduler.nowMs() + ms, () => endSync(batch));
  }
  function endSync(batch: number): void {
    task = null;
    const to = deliver;
    if (to === null) return;
    if (failure !== null) {
      failed = true;
      const message = failure;
      failure = null;
      to({ type: 'disk-failed', message });
      return;
    }
    const done = pending.slice(0, batch);
    pending = pending.slice(batch);
    const events = applyAll(done);
    startSync();
    for (const event of events) if (deliver === to) to(event);
  }
  function applyAll(operations: readonly Operation[]): DiskEvent[] {
    const events: DiskEvent[] = [];
    let persisted: DiskEvent | null = null;
    for (const operation of operations) {
      if (operation.kind === 'change') operation.apply();
      else if (operation.event.type === 'persisted') persisted = operation.event;
      else events.push(operation.event);
    }
    return persisted === null ? events : [persisted, ...events];
  }
  function end(): void {
    if (task !== null) scheduler.cancel(task);
    task = null;
    pending = [];
    deliver = null;
    failure = null;
    failed = false;
  }
  function port(own: number): DiskPort {
    const current = (): boolean => own === incarnation && deliver !== null && !failed;
    const then = (enqueue: () => void): void => {
      if (!current()) return;
      enqueue();
      startSync();
    };
    return {
      write(write) { writes += 1; then(() => enqueueWrite(write)); },
      saveSnapshot(meta, chunks, keepFrom) {
        then(() => enqueueSnapshot(meta, new Uint8Array(Buffer.concat([...chunks])), keepFrom));
      },
      saveFact(name, value) { then(() => change(() => { facts.set(name, value); })); },
    };
  }
  return {
    open(to) {
      assert(deliver === null, 'the disk is in use by another process');
      incarnation += 1;
      deliver = to;
      const recovered = recoverStored(log);
      assert(!('gapBefore' in recovered), 'the simulated disk lost entries');
      log.entries = [...recovered.entries];
      const known = Object.fromEntries([...facts].sort(([a], [b]) => (a < b ? -1 : 1)));
      return {
        port: port(incarnation),
        recovery: { log: { ...recovered, entries: [...recovered.entries] }, snapshot: data, facts: known },
      };
    },
    crash() {
      crashes += 1;
      const kept = failed ? 0 : hash32(seed, 0x6372, crashes) % (pending.length + 1);
      applyAll(pending.slice(0, kept));
      end();
    },
    close() {
      if (!failed) applyAll(pending);
      end();
    },
    failNextSync(message) {
      failure = message;
      startSync();
    },
    setConditions(next) { conditions = next; },
    wipe() {
      assert(deliver === null, 'a disk is wiped while it is in use');
      log = emptyStoredLog();
      data = null;
      facts = new Map();
    },
    get synced() { return log; },
    stats: () => ({ syncs, writes, pending: pending.length }),
  };
}
