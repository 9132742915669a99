// The disk of a real peer: `DIR/log` holds the log's segments and the snapshots, all of it encrypted,
// `DIR/disk.key` the key, and `DIR/lock` keeps others out.
// Group commit: while one frame is being synced, further writes gather for the next. A write to a file opened
// with O_DSYNC returns when its data is durable: one call in the thread pool, where write and fdatasync are
// two (measured: a sixth more syncs per second, and the event loop is never blocked, as it is by the sync
// calls). What always holds: `persisted` is told only of what is on stable storage, with all before it;
// after the first error nothing is written any more.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AssertionFailure, assert } from '../../cluster/assert.ts';
import type { Index } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { SnapshotMeta } from '../../cluster/log/types.ts';
import type { DiskEvent, DiskPort, DiskRecovery, DiskWrite } from '../../cluster/ports.ts';
import { syncDirectory } from './disk/files.ts';
import { lockDirectory } from './disk/lock.ts';
import { frameRoom, recordBytes } from './disk/records.ts';
import type { DiskRecord } from './disk/records.ts';
import { recoverFolder } from './disk/recover.ts';
import type { Recovered } from './disk/recover.ts';
import { finishExchange, isUnsealed, reseal } from './disk/reseal.ts';
import { openSeal } from './disk/seal.ts';
import type { Seal } from './disk/seal.ts';
import { inChunks, publishSnapshot, writeSnapshot } from './disk/snapshots.ts';
import { openWriter } from './disk/writer.ts';
import type { LogWriter } from './disk/writer.ts';

export interface Disk {
  readonly port: DiskPort;
  readonly recovery: DiskRecovery;
  /** Writes what is queued, then gives the directory up. */
  close(): Promise<void>;
}

export interface DiskOptions {
  /** Size of a new segment; for tests. */
  readonly segmentBytes?: number;
  /** Where the keys are that all of it is encrypted with; `DIR/disk.key` unless told otherwise. */
  readonly keyFile?: string;
}

/** Opens the directory, made if it is not there. Throws if another process has it or it is damaged. */
export async function openDisk(
  directory: string, deliver: (event: DiskEvent) => void, options: DiskOptions = {},
): Promise<Disk> {
  const folder = join(directory, 'log');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const lock = await lockDirectory(directory);
  try {
    await finishExchange(directory, folder);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await syncDirectory(directory);
    const segmentBytes = options.segmentBytes ?? limits.segmentBytes;
    const keyFile = options.keyFile ?? join(directory, 'disk.key');
    const seal = await openSeal(keyFile, () => isUnsealed(directory, folder));
    const recovered = await recoverSealed(directory, folder, seal, segmentBytes);
    const writer = await openWriter(folder, recovered, segmentBytes, seal);
    const queue = createQueue(folder, writer, seal, deliver);
    if (recovered.overruled) {
      const { snapshot } = recovered.recovery.log;
      await writer.write([{ kind: 'replace', index: snapshot.index, term: snapshot.term }]);
    }
    return {
      port: queue.port,
      recovery: recovered.recovery,
      async close() {
        await queue.close();
        await writer.close();
        await lock.release();
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** What the folder holds, all of it under the key that seals now. */
async function recoverSealed(
  directory: string, folder: string, seal: Seal, segmentBytes: number,
): Promise<Recovered> {
  const recovered = await recoverFolder(directory, folder, seal);
  if (!recovered.stale) return recovered;
  await reseal(directory, folder, recovered.recovery, seal, segmentBytes);
  return recoverFolder(directory, folder, seal);
}

// ── the queue: calls into jobs, jobs into joined writes ──────────────────────────────────────────────────

type RecordsJob = {
  readonly kind: 'records'; readonly records: readonly DiskRecord[]; readonly bytes: number;
  readonly token: number | null;
};
/** A step runs when everything before it is durable. */
type Job = RecordsJob | { readonly kind: 'step'; readonly run: () => Promise<void> };

interface Queue { readonly port: DiskPort; close(): Promise<void> }

function createQueue(
  folder: string, writer: LogWriter, seal: Seal, deliver: (event: DiskEvent) => void,
): Queue {
  const jobs: Job[] = [];
  let backlogBytes = 0, busy = false, failed = false, closed = false;
  let working: Promise<void> = Promise.resolve();
  let saving: Promise<void> = Promise.resolve();

  /** In a task of its own: what the receiver throws is its own failure, not the disk's. */
  const tell = (event: DiskEvent): void => queueMicrotask(() => deliver(event));
  function fail(error: unknown): void {
    if (failed) return;
    failed = true;
    busy = false;
    jobs.length = 0;
    if (error instanceof AssertionFailure) queueMicrotask(() => { throw error; });
    tell({ type: 'disk-failed', message: error instanceof Error ? error.message : String(error) });
  }
  function enqueue(more: readonly Job[]): void {
    assert(!closed, 'a write to a closed disk');
    if (failed) return;
    jobs.push(...more);
    for (const job of more) if (job.kind === 'records') backlogBytes += job.bytes;
    if (busy) return;
    busy = true;
    working = work();
  }
  /** `busy` ends in the same breath as the look that found no job: whoever comes later starts it again. */
  async function work(): Promise<void> {
    await Promise.resolve();
    try {
      await takeJobs();
    } catch (error) {
      fail(error);
    }
  }
  async function takeJobs(): Promise<void> {
    for (let job = jobs[0]; job !== undefined; job = jobs[0]) {
      if (backlogBytes > limits.diskBacklogBytesMax) {
        throw new Error(`the disk is too slow: ${backlogBytes} bytes wait to be written`);
      }
      if (job.kind === 'step') {
        jobs.shift();
        await job.run();
      } else {
        const joined = takeRecords(jobs, writer.frameBytesMax);
        await writer.write(joined.records);
        backlogBytes -= joined.bytes;
        if (joined.token !== null) tell({ type: 'persisted', token: joined.token });
      }
    }
    busy = false;
  }
  async function publish(temporary: string, meta: SnapshotMeta, keepFrom: Index): Promise<void> {
    await publishSnapshot(folder, temporary, meta);
    await writer.drop(keepFrom);
  }
  /** Written beside the log's writes; published in its turn, when all that came before it is durable. */
  async function save(
    meta: SnapshotMeta, chunks: Iterable<Uint8Array>, keepFrom: Index,
  ): Promise<void> {
    if (failed) return;
    const temporary = await writeSnapshot(folder, meta, chunks, seal);
    enqueue([{ kind: 'step', async run() {
      await publish(temporary, meta, keepFrom);
      tell({ type: 'snapshot-saved', index: meta.index });
    } }]);
  }
  const install = async (meta: SnapshotMeta, data: Uint8Array): Promise<void> =>
    publish(await writeSnapshot(folder, meta, inChunks(data), seal), meta, meta.index);
  return {
    port: {
      write(write) { enqueue(jobsOf(write, writer.frameBytesMax, install)); },
      saveSnapshot(meta, chunks, keepFrom) {
        assert(!closed, 'a snapshot for a closed disk');
        saving = saving.then(() => save(meta, chunks, keepFrom)).catch(fail);
      },
      saveFact(name, value) {
        assert(name.length + value.length <= limits.factBytesMax, `fact ${name} is too long`);
        enqueue([recordsJob([{ kind: 'fact', name, value }], null)]);
      },
    },
    async close() {
      await saving;
      closed = true;
      await working;
    },
  };
}

function recordsJob(records: readonly DiskRecord[], token: number | null): RecordsJob {
  return { kind: 'records', records, bytes: frameRoom(records), token };
}

/**
 * One write as jobs that each fit into a frame. A received snapshot is made durable between the hard state,
 * whose term it may depend on, and the records that rest on it.
 */
function jobsOf(
  write: DiskWrite, frameBytesMax: number, install: (meta: SnapshotMeta, data: Uint8Array) => Promise<void>,
): Job[] {
  const jobs: Job[] = [];
  let records: DiskRecord[] = [];
  let bytes = 0;
  const { hard, snapshot, truncateAfter } = write;
  if (hard !== undefined) records.push({ kind: 'hard', hard });
  if (snapshot !== undefined) {
    const { meta, data } = snapshot;
    if (records.length > 0) jobs.push(recordsJob(records, null));
    jobs.push({ kind: 'step', run: () => install(meta, data) });
    records = [{ kind: 'replace', index: meta.index, term: meta.term }];
  }
  if (truncateAfter !== undefined) records.push({ kind: 'truncate', after: truncateAfter });
  for (const entry of write.entries) {
    const record: DiskRecord = { kind: 'entry', entry };
    const size = recordBytes(record);
    assert(size <= limits.diskRecordBytesMax, `entry ${entry.index} has ${size} bytes`);
    if (bytes > 0 && bytes + size > frameBytesMax) {
      jobs.push(recordsJob(records, null));
      records = [];
      bytes = 0;
    }
    records.push(record);
    bytes += size;
  }
  jobs.push(recordsJob(records, write.token));
  return jobs;
}

/** Takes as many jobs from the front as fit into one frame. */
function takeRecords(jobs: Job[], frameBytesMax: number): RecordsJob {
  const joined: DiskRecord[] = [];
  let bytes = 0, count = 0;
  let token: number | null = null;
  for (const job of jobs) {
    if (job.kind !== 'records' || (count > 0 && bytes + job.bytes > frameBytesMax)) break;
    for (const record of job.records) joined.push(record);
    bytes += job.bytes;
    token = job.token ?? token;
    count += 1;
  }
  jobs.splice(0, count);
  return { kind: 'records', records: joined, bytes, token };
}
