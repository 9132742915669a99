// Snapshots of the state, one file each: written beside, synced, renamed, and the folder synced, so that a
// file with a snapshot's name is always whole. The one before is removed only when the new one is durable.
//
//     magic 8 | version u32 | meta length u32 | data length u48 | 0 u16 | meta CRC u32 | data CRC u32 |
//     header CRC u32 | meta as JSON | data
//
// In version 2, meta and data are sealed (`seal.ts`), the data in pieces with a length u32 before each. A
// piece has its place by the snapshot's index, its own number, and whether it is the last one. Version 1, of
// old, has both as they are.

import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { index, peerId, term } from '../../../cluster/ids.ts';
import { limits } from '../../../cluster/limits.ts';
import type { LogMember, SnapshotMeta } from '../../../cluster/log/types.ts';
import { closeFile, openFile, readAll, syncDirectory, syncFile, writeAll } from './files.ts';
import type { Seal } from './seal.ts';
import { DiskDamage } from './segments.ts';

const magic = 'SHOALSNP';
const plainVersion = 1, sealedVersion = 2;
const headerBytes = 36;
const suffix = '.snapshot';
const chunkBytes = 1024 * 1024;

export interface StoredSnapshot {
  readonly meta: SnapshotMeta;
  readonly data: Uint8Array;
  /** Sealed by the key that seals now. */
  readonly current: boolean;
}

const snapshotPath = (folder: string, at: number): string =>
  join(folder, `${String(at).padStart(15, '0')}${suffix}`);

/** Writes and syncs the snapshot under a temporary name, which is returned. */
export async function writeSnapshot(
  folder: string, meta: SnapshotMeta, chunks: Iterable<Uint8Array>, seal: Seal,
): Promise<string> {
  const temporary = `${snapshotPath(folder, meta.index)}.tmp`;
  const fd = await openFile(temporary, 'w');
  try {
    const metaBytes = seal.seal(Buffer.from(JSON.stringify(meta)), piecePlace(meta.index, 0, false));
    await writeAll(fd, metaBytes, headerBytes);
    let check = 0, length = 0;
    for (const piece of sealedPieces(meta.index, chunks, seal)) {
      check = crc32(piece, check);
      await writeAll(fd, piece, headerBytes + metaBytes.length + length);
      length += piece.length;
    }
    await writeAll(fd, encodeHeader(metaBytes, length, check), 0);
    await syncFile(fd);
  } finally {
    await closeFile(fd);
  }
  return temporary;
}

/** Each with its length before it; the last one is empty. */
function* sealedPieces(
  at: number, chunks: Iterable<Uint8Array>, seal: Seal,
): Generator<Buffer, void, void> {
  let number = 0;
  const sealed = (chunk: Uint8Array, last: boolean): Buffer => {
    const piece = seal.seal(chunk, piecePlace(at, number += 1, last)), length = Buffer.alloc(lengthBytes);
    length.writeUInt32LE(piece.length, 0);
    return Buffer.concat([length, piece]);
  };
  for (const chunk of chunks) yield sealed(chunk, false);
  yield sealed(new Uint8Array(0), true);
}

const lengthBytes = 4;

/** Number 0 is the description. */
function piecePlace(at: number, number: number, last: boolean): Buffer {
  const place = Buffer.alloc(12);
  place.writeUIntLE(at, 0, 6);
  place.writeUInt32LE(number, 6);
  place.writeUInt8(last ? 1 : 0, 10);
  place.writeUInt8(placeOfSnapshot, 11);
  return place;
}

/** So that no piece can pass for a frame of the log. */
const placeOfSnapshot = 0x5a;

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
export async function readSnapshot(
  directory: string, folder: string, seal: Seal,
): Promise<StoredSnapshot | null> {
  for (const name of await readdir(folder)) {
    if (name.endsWith(`${suffix}.tmp`)) await rm(join(folder, name));
  }
  const newest = (await snapshotIndexes(folder)).at(-1);
  if (newest === undefined) return null;
  const path = snapshotPath(folder, newest);
  const damaged = (at: number, what: string): DiskDamage => new DiskDamage(directory, path, at, what);
  const fd = await openFile(path, 'r');
  try {
    const header = await readAll(fd, headerBytes, 0);
    const lengths = decodeHeader(header);
    if (lengths === null) throw damaged(0, 'its header is not that of a snapshot');
    const metaBytes = await readAll(fd, lengths.meta, headerBytes), from = headerBytes + lengths.meta;
    if (crc32(metaBytes) !== header.readUInt32LE(24)) {
      throw damaged(headerBytes, 'the description fails its checksum');
    }
    const data = await readAll(fd, lengths.data, from);
    if (data.length !== lengths.data || crc32(data) !== header.readUInt32LE(28)) {
      throw damaged(from, 'the data fails its checksum');
    }
    const opened = lengths.version === plainVersion ? { meta: metaBytes, data, current: false }
      : openPieces(newest, metaBytes, data, seal);
    if ('refused' in opened) throw damaged(headerBytes, opened.refused);
    const meta = decodeMeta(opened.meta.toString('utf8'));
    if (meta === null || meta.index !== newest) {
      throw damaged(headerBytes, 'the description is of another one');
    }
    const { buffer, byteOffset, length } = opened.data;
    return { meta, data: new Uint8Array(buffer, byteOffset, length), current: opened.current };
  } finally {
    await closeFile(fd);
  }
}

interface Pieces { readonly meta: Buffer; readonly data: Buffer; readonly current: boolean }

function openPieces(
  at: number, metaBytes: Buffer, data: Buffer, seal: Seal,
): Pieces | { readonly refused: string } {
  const meta = seal.open(metaBytes, piecePlace(at, 0, false));
  if ('refused' in meta) return meta;
  let { current } = meta, number = 1;
  const parts: Buffer[] = [];
  for (let from = 0; from < data.length; number += 1) {
    if (from + lengthBytes > data.length) return { refused: 'what is encrypted there is cut short' };
    const start = from + lengthBytes, end = start + data.readUInt32LE(from);
    if (end > data.length) return { refused: 'what is encrypted there is cut short' };
    const piece = seal.open(data.subarray(start, end), piecePlace(at, number, end === data.length));
    if ('refused' in piece) return piece;
    parts.push(piece.plain);
    current &&= piece.current;
    from = end;
  }
  if (parts.length === 0) return { refused: 'what is encrypted there is cut short' };
  return { meta: meta.plain, data: Buffer.concat(parts), current };
}

/** Whether this folder holds a snapshot that is sealed. */
export async function hasSealedSnapshot(folder: string): Promise<boolean> {
  for (const at of await snapshotIndexes(folder)) {
    const fd = await openFile(snapshotPath(folder, at), 'r');
    const header = await readAll(fd, headerBytes, 0).finally(() => closeFile(fd));
    if (decodeHeader(header)?.version === sealedVersion) return true;
  }
  return false;
}

async function snapshotIndexes(folder: string): Promise<number[]> {
  return (await readdir(folder))
    .filter((name) => /^\d{15}\.snapshot$/.test(name))
    .map((name) => Number(name.slice(0, 15)))
    .sort((a, b) => a - b);
}

/** Sealing adds a little to each piece, and pieces are large. */
const sealedBytesMax = limits.snapshotBytesMax + limits.snapshotBytesMax / 8;

function encodeHeader(meta: Buffer, dataBytes: number, dataCheck: number): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.write(magic, 0, 'latin1');
  header.writeUInt32LE(sealedVersion, 8);
  header.writeUInt32LE(meta.length, 12);
  header.writeUIntLE(dataBytes, 16, 6);
  header.writeUInt32LE(crc32(meta), 24);
  header.writeUInt32LE(dataCheck, 28);
  header.writeUInt32LE(crc32(header.subarray(0, 32)), 32);
  return header;
}

function decodeHeader(header: Buffer): { version: number; meta: number; data: number } | null {
  if (header.length < headerBytes || header.toString('latin1', 0, 8) !== magic) return null;
  if (header.readUInt32LE(32) !== crc32(header.subarray(0, 32))) return null;
  const version = header.readUInt32LE(8), data = header.readUIntLE(16, 6);
  if (version !== plainVersion && version !== sealedVersion) return null;
  return data > sealedBytesMax ? null : { version, meta: header.readUInt32LE(12), data };
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
