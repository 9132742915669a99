// A peer's identity: an Ed25519 key in `DIR/identity.key`, readable by its owner alone. Whoever has the file
// is the peer; without it the peer is another one.

import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys';

export type PrivateKey = Extract<ReturnType<typeof privateKeyFromProtobuf>, { type: 'Ed25519' }>;

/** The directory's key; a new one is made, and durable before it is used, if there is none. */
export async function loadIdentity(directory: string): Promise<PrivateKey> {
  const path = join(directory, 'identity.key');
  const text = await readIfThere(path);
  if (text !== null) return decode(path, text);
  const key = await generateKeyPair('Ed25519');
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(`${Buffer.from(privateKeyToProtobuf(key)).toString('base64')}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const folder = await open(directory, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
  return key;
}

function decode(path: string, text: string): PrivateKey {
  try {
    const key = privateKeyFromProtobuf(Buffer.from(text.trim(), 'base64'));
    if (key.type === 'Ed25519') return key;
  } catch {
    // Told below, with what to do.
  }
  throw new Error(`${path} holds no Ed25519 key. Restore it from a backup; if there is none, remove the `
    + 'peer\'s directory and join again as a new peer: without its key it can\'t prove that it is itself.');
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
