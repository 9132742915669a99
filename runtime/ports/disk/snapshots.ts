// Snapshots of the state, one file each: written beside, synced, renamed, and the folder synced, so that a
// file with a snapshot's name is always whole. The one before is removed only when the new one is durable.
//
//     magic 8 | version u32 | meta length u32 | data length u48 | 0 u16 | meta CRC u32 | data CRC u32 |
//     header CRC u32 | meta as JSON | data

import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { index, peerId, term } from '../../../cluster/ids.ts';
import { limits } from '../../../cluster/limits.ts';
import type { LogMember, SnapshotMeta } from '../../../cluster/log/types.ts';
import { closeFile, openFile, readAll, syncDirectory, syncFile, writeAll } from './files.ts';
import { DiskDamage } from './segments.ts';

const magic = 'SHOALSNP';
const version = 1;
const headerBytes = 36;
const suffix = '.snapshot';
const chunkBytes = 1024 * 1024;

export interface StoredSnapshot { readonly meta: SnapshotMeta; readonly data: Uint8Array }

const snapshotPath = (folder: string, at: number): string =>
  join(folder, `${String(at).padStart(15, '0')}${suffix}`);

/** Writes and syncs the snapshot under a temporary name, which is returned. */
export async function writeSnapshot(
  folder: string, meta: SnapshotMeta, chunks: Iterable<Uint8Array>,
): Promise<string> {
  const temporary = `${snapshotPath(folder, meta.index)}.tmp`;
  const fd = await openFile(temporary, 'w');
  try {
    const metaBytes = Buffer.from(JSON.stringify(meta));
    await writeAll(fd, metaBytes, headerBytes);
    let check = 0, length = 0;
    for (const chunk of chunks) {
      check = crc32(chunk, check);
      await writeAll(fd, chunk, headerBytes + metaBytes.length + length);
      length += chunk.length;
    }
    await writeAll(fd, encodeHeader(metaBytes, length, check), 0);
    await syncFile(fd);
  } finally {
    await closeFile(fd);
  }
  return temporary;
}

/** A snapshot that is in memory whole, in pieces that don't hold the event loop. */
export function* inChunks(data: Uint8Array): Generator<Uint8Array, void, void> {
  for (let at = 0; at < data.length; at += chunkBytes) yield data.subarray(at, at + chunkBytes);
}

/** Gives a written snapshot its name, durably, and removes those before it. */
export async function publishSnapshot(folder: string, temporary: string, meta: SnapshotMeta): Promise<void> {
  await rename(temporary, snapshotPath(folder, meta.index));
  await syncDirectory(folder);
  for (const at of await snapshotIndexes(folder)) {
    if (at < meta.index) await rm(snapshotPath(folder, at));
  }
}

/** The newest snapshot, or null. Leftovers of unfinished ones are removed. */
export async function readSnapshot(directory: string, folder: string): Promise<StoredSnapshot | null> {
  for (const name of await readdir(folder)) {
    if (name.endsWith(`${suffix}.tmp`)) await rm(join(folder, name));
  }
  const newest = (await snapshotIndexes(folder)).at(-1);
  if (newest === undefined) return null;
  const path = snapshotPath(folder, newest);
  const fd = await openFile(path, 'r');
  try {
    const header = await readAll(fd, headerBytes, 0);
    const lengths = decodeHeader(header);
    if (lengths === null) throw new DiskDamage(directory, path, 0, 'its header is not that of a snapshot');
    const metaBytes = await readAll(fd, lengths.meta, headerBytes);
    const meta = crc32(metaBytes) === header.readUInt32LE(24) ? decodeMeta(metaBytes.toString('utf8')) : null;
    if (meta === null || meta.index !== newest) {
      throw new DiskDamage(directory, path, headerBytes, 'the description fails its checksum');
    }
    const data = await readAll(fd, lengths.data, headerBytes + lengths.meta);
    if (data.length !== lengths.data || crc32(data) !== header.readUInt32LE(28)) {
      throw new DiskDamage(directory, path, headerBytes + lengths.meta, 'the data fails its checksum');
    }
    return { meta, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
  } finally {
    await closeFile(fd);
  }
}

async function snapshotIndexes(folder: string): Promise<number[]> {
  return (await readdir(folder))
    .filter((name) => /^\d{15}\.snapshot$/.test(name))
    .map((name) => Number(name.slice(0, 15)))
    .sort((a, b) => a - b);
}

function encodeHeader(meta: Buffer, dataBytes: number, dataCheck: number): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.write(magic, 0, 'latin1');
  header.writeUInt32LE(version, 8);
  header.writeUInt32LE(meta.length, 12);
  header.writeUIntLE(dataBytes, 16, 6);
  header.writeUInt32LE(crc32(meta), 24);
  header.writeUInt32LE(dataCheck, 28);
  header.writeUInt32LE(crc32(header.subarray(0, 32)), 32);
  return header;
}

function decodeHeader(header: Buffer): { meta: number; data: number } | null {
  if (header.length < headerBytes || header.toString('latin1', 0, 8) !== magic) return null;
  if (header.readUInt32LE(32) !== crc32(header.subarray(0, 32))) return null;
  if (header.readUInt32LE(8) !== version) return null;
  const data = header.readUIntLE(16, 6);
  return data > limits.snapshotBytesMax ? null : { meta: header.readUInt32LE(12), data };
}

/** The checksum held, so the text is ours; the shapes are read field by field all the same. */
function decodeMeta(text: string): SnapshotMeta | null {
  const raw = JSON.parse(text) as { index?: unknown; term?: unknown; members?: unknown };
  if (typeof raw.index !== 'number' || typeof raw.term !== 'number') return null;
  if (!Array.isArray(raw.members)) return null;
  const members: LogMember[] = [];
  for (const item of raw.members as Partial<Record<keyof LogMember, unknown>>[]) {
    const { id, name, addresses, voter } = item;
    if (typeof id !== 'string' || typeof name !== 'string' || typeof voter !== 'boolean') return null;
    if (!Array.isArray(addresses) || !addresses.every((address) => typeof address === 'string')) return null;
    members.push({ id: peerId(id), name, addresses: addresses as string[], voter });
  }
  return { index: index(raw.index), term: term(raw.term), members };
}
