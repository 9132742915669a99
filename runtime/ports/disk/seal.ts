// Encryption of what a peer keeps on disk: AES-256-GCM under keys that lie apart from the data, in a file of
// their own (`DIR/disk.key`, or where the peer was told).
//
//     sealed  key id u32 | salt 16 | count u64 | ciphertext | tag 16 | 1
//
// Each run seals under a key of its own, derived from the first key of the file and a fresh salt, and counts
// its nonces from 0: however a write was torn and written again, no nonce is used twice. Where a sealed piece
// belongs is part of what its tag proves, so that pieces can't be swapped. Its last byte is never zero.
// What always holds: nothing is sealed by a key that is not on stable storage in its file.
//
// The key file has a line per key, 32 bytes in base64: the first seals, all of them open.
// Source: NIST SP 800-38D, section 8.2.1 (deterministic nonces); RFC 5869 (HKDF).

import {
  createCipheriv, createDecipheriv, createHash, createSecretKey, hkdfSync, randomBytes,
} from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from './files.ts';

export interface Seal {
  /** `place`: where it belongs; the same must be given to open it. */
  seal(plain: Uint8Array, place: Uint8Array): Buffer;
  open(sealed: Uint8Array, place: Uint8Array): Opened;
}

export type Opened =
  /** `current`: by the key that seals now. */
  | { readonly plain: Buffer; readonly current: boolean }
  /** What to tell a person. */
  | { readonly refused: string };

const cipher = 'aes-256-gcm', tagBytes = 16, keyBytes = 32;
const idBytes = 4, saltBytes = 16, countBytes = 8, endBytes = 1;
const headBytes = idBytes + saltBytes + countBytes;
/** How much longer than the plain bytes the sealed ones are. */
export const sealBytes = headBytes + tagBytes + endBytes;

/** The keys in this file, which is made with a new key if it is not there and `found` says that it may be. */
export async function openSeal(path: string, found: () => Promise<boolean>): Promise<Seal> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text !== null) return createSeal(keysIn(text, path));
  if (!await found()) {
    throw new Error(`${path} is missing: it holds the key that this peer's data was encrypted with. Bring it `
      + 'back from where you keep it; without it, nobody can read the data any more, and the peer must come '
      + 'back as a new member (remove the folder `log` beside it, then `shoal join`)');
  }
  const key = randomBytes(keyBytes);
  const file = await open(path, 'wx', 0o600);
  try {
    await file.write(`${key.toString('base64')}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await syncDirectory(dirname(path));
  return createSeal([key]);
}

function keysIn(text: string, path: string): readonly Buffer[] {
  const lines = text.split('\n').map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const keys = lines.map((line) => Buffer.from(line, 'base64'));
  const wrong = keys.findIndex((key, at) =>
    key.length !== keyBytes || key.toString('base64') !== lines[at]);
  if (wrong >= 0 || keys.length === 0) {
    throw new Error(`${path} must hold a key of ${keyBytes} bytes in base64 on each line`
      + (wrong < 0 ? ', and holds none' : `; key ${wrong + 1} is none`));
  }
  return keys;
}

const idOf = (key: Buffer): number =>
  createHash('sha256').update('shoal disk key id').update(key).digest().readUInt32LE(0);

function createSeal(keys: readonly Buffer[]): Seal {
  const [first] = keys;
  if (first === undefined) throw new Error('no key to seal with');
  const current = idOf(first), salt = randomBytes(saltBytes), own = derived(first, salt);
  /** Keys of former runs, by key id and salt. */
  const former = new Map<string, KeyObject>();
  let count = 0n;

  function keyFor(id: number, itsSalt: Buffer): KeyObject | null {
    const name = `${id}/${itsSalt.toString('base64')}`, known = former.get(name);
    if (known !== undefined) return known;
    const master = keys.find((key) => idOf(key) === id);
    if (master === undefined) return null;
    const key = derived(master, itsSalt);
    former.set(name, key);
    return key;
  }

  return {
    seal(plain, place) {
      const head = Buffer.alloc(headBytes);
      head.writeUInt32LE(current, 0);
      salt.copy(head, idBytes);
      head.writeBigUInt64LE(count, idBytes + saltBytes);
      count += 1n;
      const sealing = createCipheriv(cipher, own, nonceIn(head), withTag).setAAD(place);
      const body = sealing.update(plain);
      sealing.final();
      return Buffer.concat([head, body, sealing.getAuthTag(), ending]);
    },
    open(sealed, place) {
      const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
      if (bytes.length < sealBytes) return { refused: 'what is encrypted there is cut short' };
      const id = bytes.readUInt32LE(0), key = keyFor(id, bytes.subarray(idBytes, idBytes + saltBytes));
      if (key === null) return { refused: 'the key file does not hold the key that it was encrypted with' };
      const end = bytes.length - endBytes - tagBytes;
      const opening = createDecipheriv(cipher, key, nonceIn(bytes), withTag)
        .setAAD(place).setAuthTag(bytes.subarray(end, end + tagBytes));
      try {
        const plain = opening.update(bytes.subarray(headBytes, end));
        opening.final();
        return { plain, current: id === current };
      } catch {
        return { refused: 'it was changed after it was encrypted' };
      }
    },
  };
}

const ending = Buffer.from([1]), withTag = { authTagLength: tagBytes };

/** A key object: given plain bytes, Node throws and catches an error inside for each cipher that is made
 *  (measured: 15 µs for a frame of 1 KB, where 4 are enough). */
const derived = (master: Buffer, salt: Buffer): KeyObject =>
  createSecretKey(Buffer.from(hkdfSync('sha256', master, salt, 'shoal disk', keyBytes)));

/** The count, to the twelve bytes that the cipher wants. */
function nonceIn(head: Buffer): Buffer {
  const nonce = Buffer.alloc(12);
  head.copy(nonce, 0, idBytes + saltBytes, headBytes);
  return nonce;
}
