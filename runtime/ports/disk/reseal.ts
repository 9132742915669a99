// The whole log written anew, under the key that seals now: for a folder from before there was encryption, or
// whose key was replaced. Then nothing in it needs the old key any more.
//
// What always holds: the folder is exchanged for a whole one in one step; a crash leaves either the old one
// or the new one, and what is left of the other goes at the next start.

import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import type { DiskRecovery } from '../../../cluster/ports.ts';
import { syncDirectory } from './files.ts';
import { recordBytes } from './records.ts';
import type { DiskRecord } from './records.ts';
import type { Seal } from './seal.ts';
import { hasSealedFrame, segmentHeaderBytes } from './segments.ts';
import { hasSealedSnapshot, inChunks, publishSnapshot, writeSnapshot } from './snapshots.ts';
import { openWriter } from './writer.ts';

const newName = (folder: string): string => `${folder}.new`;
const oldName = (folder: string): string => `${folder}.old`;

/** Ends an exchange that a crash cut short. */
export async function finishExchange(directory: string, folder: string): Promise<void> {
  const names = new Set(await readdir(directory));
  const has = (path: string): boolean => names.has(path.slice(directory.length + 1));
  if (!has(folder) && has(newName(folder))) {
    await rename(newName(folder), folder);
    await syncDirectory(directory);
  }
  for (const path of [newName(folder), oldName(folder)]) await rm(path, { recursive: true, force: true });
}

/** Nothing in the folder is encrypted: it is of old, or empty. */
export async function isUnsealed(directory: string, folder: string): Promise<boolean> {
  return !await hasSealedSnapshot(folder) && !await hasSealedFrame(directory, folder);
}

export async function reseal(
  directory: string, folder: string, recovery: DiskRecovery, seal: Seal, segmentBytes: number,
): Promise<void> {
  const fresh = newName(folder), { log, snapshot, facts } = recovery;
  await mkdir(fresh, { mode: 0o700 });
  if (snapshot !== null) {
    const temporary = await writeSnapshot(fresh, log.snapshot, inChunks(snapshot), seal);
    await publishSnapshot(fresh, temporary, log.snapshot);
  }
  const empty = {
    recovery, segments: [], active: 0, end: segmentHeaderBytes, nextFrame: 1, overruled: false, stale: false,
  };
  const writer = await openWriter(fresh, empty, segmentBytes, seal);
  const known = Object.entries(facts).map(([name, value]): DiskRecord => ({ kind: 'fact', name, value }));
  let batch: DiskRecord[] = [{ kind: 'hard', hard: log.hard }, ...known], bytes = 0;
  for (const entry of log.entries) {
    const record: DiskRecord = { kind: 'entry', entry }, size = recordBytes(record);
    if (bytes > 0 && bytes + size > writer.frameBytesMax) {
      await writer.write(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(record);
    bytes += size;
  }
  await writer.write(batch);
  await writer.close();
  await syncDirectory(fresh);
  await syncDirectory(directory);
  await rename(folder, oldName(folder));
  await rename(fresh, folder);
  await syncDirectory(directory);
  await rm(oldName(folder), { recursive: true, force: true });
}
