// `shoal token`: bootstrap tokens, kept as Kubernetes keeps them: Secrets in kube-system; and the keys of
// ServiceAccounts' tokens.

import { randomInt } from 'node:crypto';
import { secretFromToken, tokenFromSecret } from '../../cluster/join.ts';
import type { Secret } from '../../cluster/api/types.ts';
import { humanDuration } from '../../cluster/api/time.ts';
import { openClient } from './client.ts';
import type { Client, ClientFlags } from './client.ts';

const path = '/api/v1/namespaces/kube-system/secrets';
const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';

export async function createToken(flags: ClientFlags & { readonly ttl: string }): Promise<void> {
  console.log(await makeToken(openClient(flags), durationMs(flags.ttl)));
}

/** Makes a token, good for `ttlMs`, and returns its text. */
export async function makeToken(client: Client, ttlMs: number): Promise<string> {
  const draw = (length: number): string => Array.from({ length },
    () => alphabet[randomInt(alphabet.length)]).join('');
  const token = { id: draw(6), secret: draw(16) };
  await client.json('POST', path, secretFromToken(token, Date.now() + ttlMs));
  return `${token.id}.${token.secret}`;
}

export async function listTokens(flags: ClientFlags): Promise<void> {
  const { items } = await openClient(flags).json<{ items: Secret[] }>('GET',
    `${path}?fieldSelector=type%3Dbootstrap.kubernetes.io%2Ftoken`);
  console.log(['ID'.padEnd(10), 'EXPIRES IN'].join(''));
  for (const item of items) {
    const token = tokenFromSecret(item);
    if (token !== null) console.log(`${token.id.padEnd(10)}${humanDuration(token.expiresAtMs - Date.now())}`);
  }
}

export async function deleteToken(id: string, flags: ClientFlags): Promise<void> {
  await openClient(flags).json('DELETE', `${path}/bootstrap-token-${encodeURIComponent(id)}`);
  console.log(`token ${id} is void`);
}

/** `shoal token rotate-keys`: another key signs ServiceAccount tokens from now on. */
export async function rotateKeys(flags: ClientFlags): Promise<void> {
  const { kid, dropped } = await openClient(flags)
    .json<{ kid: string; dropped: string[] }>('POST', '/shoal/v1/rotate-token-keys');
  console.log(`key ${kid} signs ServiceAccount tokens from now on; those of the keys before stand`);
  for (const old of dropped) console.log(`key ${old} is forgotten, and all tokens that it signed are void`);
}

function durationMs(text: string): number {
  const parts = /^(\d+)([smhd])$/.exec(text);
  const unit = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[parts?.[2] ?? ''];
  if (parts === null || unit === undefined) throw new Error(`not a duration: ${text}; such as 30m, 24h, 7d`);
  return Number(parts[1]) * unit;
}
