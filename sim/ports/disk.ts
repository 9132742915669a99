// A peer's disk in the simulated world: what is synced, and what is on its way. A crash keeps a prefix of the
// writes on their way, drawn from the seed; a record torn in the middle is cut at recovery, so it is not in
// the prefix. What always holds: what `persisted` was told of survives every crash, or whoever opens the disk
// is refused because it is damaged; nothing is delivered to the peer of an earlier incarnation.

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
import { createSpoiling } from './disk/damage.ts';
import type { Damage, WriteSpoil } from './disk/damage.ts';

export interface DiskConditions {
  /** One sync takes a time in this range. */
  readonly syncMsMin: number;
  readonly syncMsMax: number;
}

export const fastDisk: DiskConditions = { syncMsMin: 0.1, syncMsMax: 0.5 };

/** One peer's disk. It outlives the peer's incarnations: `open` starts the next one. */
export interface SimDisk {
  /**
   * What a peer finds at start, and its port. The former incarnation must have crashed. Throws `DiskDamage`.
   */
  open(deliver: (event: DiskEvent) => void): { readonly port: DiskPort; readonly recovery: DiskRecovery };
  /** Power fails: of the writes not yet synced, a drawn prefix survives. */
  crash(): void;
  /** The process ends in good order: everything written is synced first. */
  close(): void;
  /**
   * The next sync fails with this message, and the peer must stop. With `keeps`, a drawn prefix of what was
   * to be synced is on the disk all the same: nobody knows what a failed fsync has written.
   */
  failNextSync(message: string, keeps?: boolean): void;
  /** So many more bytes fit on it, then writes fail with `diskFull`; null: as many as come. */
  setRoom(bytes: number | null): void;
  /**
   * Something stored goes bad: a record of the log, which one by `atPpm` (millionths of the way through it),
   * or the snapshot. Null: there is nothing of the kind that may go bad.
   */
  damage(what: Damage['what'], atPpm: number): Damage | null;
  /** The next open reads wrong bits, and is refused; what is stored is good. */
  spoilNextRead(): void;
  /** The next records written go bad or astray, if `may` says so when they have been. */
  spoilNextWrite(spoil: WriteSpoil): void;
  /** What is stored and bad. */
  damages(): readonly Damage[];
  /** A copy that somebody had kept takes its place: all is good again. Only while closed. */
  restore(): void;
  setConditions(conditions: DiskConditions): void;
  /** Everything is gone, as when the machine is replaced. Only while closed. */
  wipe(): void;
  /** What is on stable storage now; for checkers, which must not change it. */
  readonly synced: Readonly<StoredLog>;
  stats(): { readonly syncs: number; readonly writes: number; readonly pending: number };
}

/** What a write to a full disk fails with. */
export const diskFull = 'ENOSPC: no space left on device, write';

/** The smallest thing that a crash keeps or loses. */
type Operation =
  /** `entry`: the index of the entry that it stores; null where it stores none. */
  | { readonly kind: 'change'; readonly apply: () => void; readonly bytes: number;
      readonly entry: number | null }
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
  let failure: string | null = null, failed = false, room: number | null = null;
  /** How much of what is pending a crash may find written after a failure. */
  let failedKeepsMax = 0;
  let syncs = 0, writes = 0, crashes = 0, incarnation = 0;
  const spoiling = createSpoiling(() => log);

  function change(apply: () => void, bytes = recordBytes, entry: number | null = null): void {
    pending.push({ kind: 'change', apply, bytes, entry });
  }
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
        spoiling.replaced(meta.index);
      }, snapshot.data.length);
    }
    if (truncateAfter !== undefined) change(() => truncateStored(log, truncateAfter));
    for (const entry of entries) {
      change(() => assert(storeEntry(log, entry), `entry ${entry.index} without the one before it`),
        recordBytes + entry.data.length, entry.index);
    }
    pending.push({ kind: 'done', event: { type: 'persisted', token } });
  }
  function enqueueSnapshot(meta: SnapshotMeta, bytes: Uint8Array, keepFrom: Index): void {
    change(() => {
      if (meta.index > log.snapshot.index) storeSnapshot(meta, bytes);
      compactStored(log, keepFrom);
      spoiling.replaced(keepFrom);
    }, bytes.length);
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
    takeRoom(batch);
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
  function takeRoom(batch: number): void {
    if (room === null) return;
    const sizes = pending.slice(0, batch).map((each) => (each.kind === 'change' ? each.bytes : 0));
    const bytes = sizes.reduce((sum, each) => sum + each, 0);
    if (bytes <= room) {
      room -= bytes;
      return;
    }
    failure ??= diskFull;
    failedKeepsMax = 0;
    for (let left = room; failedKeepsMax < batch; failedKeepsMax += 1) {
      left -= sizes[failedKeepsMax] ?? 0;
      if (left < 0) return;
    }
  }
  function applyAll(operations: readonly Operation[]): DiskEvent[] {
    const events: DiskEvent[] = [];
    let persisted: DiskEvent | null = null, first: number | null = null;
    for (const operation of operations) {
      if (operation.kind === 'change') {
        operation.apply();
        first ??= operation.entry;
      } else if (operation.event.type === 'persisted') persisted = operation.event;
      else events.push(operation.event);
    }
    if (operations.length > 0) spoiling.wrote(first);
    return persisted === null ? events : [persisted, ...events];
  }
  function end(): void {
    if (task !== null) scheduler.cancel(task);
    task = null;
    pending = [];
    deliver = null;
    failure = null;
    failed = false;
    failedKeepsMax = 0;
    spoiling.closed();
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
      spoiling.read();
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
      const keptMax = failed ? failedKeepsMax : pending.length;
      applyAll(pending.slice(0, hash32(seed, 0x6372, crashes) % (keptMax + 1)));
      end();
    },
    close() {
      if (!failed) applyAll(pending);
      end();
    },
    failNextSync(message, keeps = false) {
      failure = message;
      failedKeepsMax = keeps ? pending.length : 0;
      startSync();
    },
    setRoom(bytes) { room = bytes; },
    damage: spoiling.damage, spoilNextRead: spoiling.spoilNextRead, damages: spoiling.damages,
    spoilNextWrite: spoiling.spoilNextWrite,
    restore() {
      assert(deliver === null, 'a disk is restored while it is in use');
      spoiling.clear();
    },
    setConditions(next) { conditions = next; },
    wipe() {
      assert(deliver === null, 'a disk is wiped while it is in use');
      log = emptyStoredLog();
      data = null;
      facts = new Map();
      spoiling.clear();
    },
    get synced() { return log; },
    stats: () => ({ syncs, writes, pending: pending.length }),
  };
}

/** What a record takes beside its data. */
const recordBytes = 40;
