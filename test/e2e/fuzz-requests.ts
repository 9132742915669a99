// One hostile request of the campaign: who asks, and for a dry run unless the one who asks may not write.

import { gzipSync } from 'node:zlib';
import type { Random } from '../../cluster/random.ts';
import { bytes, chance, hostile, pick } from '../hostile.ts';
import type { Hostile } from '../hostile.ts';

/** `admin` may do all, `robot` is a ServiceAccount without rights, `nobody` shows nothing, or nonsense. */
export interface Asked extends Hostile { readonly user: 'admin' | 'robot' | 'nobody' }

const bomb = gzipSync(new Uint8Array(50_000_000));
const big = new Uint8Array(10 * 1024 * 1024).fill(0x20);
const encodings = ['gzip', 'deflate', 'br', 'identity', 'zstd', 'gzip, gzip', 'none', ''];
const oddHeaders: readonly (readonly [string, string])[] = [
  ['if-none-match', '*'], ['if-none-match', '"x"'], ['range', 'bytes=0-1'], ['expect', '100-continue'],
  ['x-forwarded-for', '1.2.3.4'], ['x-http-method-override', 'DELETE'], ['origin', 'http://evil.example'],
  ['accept-encoding', 'gzip'], ['accept-encoding', 'gzip;q=0, *;q=NaN'], ['audit-id', 'a'.repeat(5_000)],
  ['user-agent', 'x'.repeat(3_000)], ['cookie', 'a=b'], ['impersonate-user', ''], ['content-language', 'tlh'],
  ['impersonate-group', 'system:masters'], ['impersonate-extra-%zz', 'x'], ['impersonate-uid', 'x'],
  ['accept', 'application/json,'.repeat(300)], ['accept', `application/json;${'a=b;'.repeat(1_000)}`],
];

const writes = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

export function drawn(random: Random): Asked {
  const request = hostile(random), body = bodyOf(random, request.body);
  const method = request.method === '' ? pick(random, ['BREW', 'TRACE', 'PURGE', 'LOCK']) : request.method;
  const headers: Record<string, string> = { ...request.headers };
  if (chance(random, 10)) {
    const [name, value] = pick(random, oddHeaders);
    headers[name] = value;
  }
  if (body === bomb || chance(random, 3)) headers['content-encoding'] = pick(random, encodings);
  // A deletion's body takes the place of its query, so its dry run could be asked for in vain.
  const careful = method === 'DELETE' && body !== null;
  const user = careful || chance(random, 8) ? pick(random, ['robot', 'nobody'] as const) : 'admin';
  const dry = user === 'admin' && writes.has(method);
  const query = dry ? `dryRun=All${request.query === '' ? '' : `&${request.query}`}` : request.query;
  return { method, headers, body, user, path: written(request.path), query: written(query) };
}

function bodyOf(random: Random, body: Uint8Array | null): Uint8Array | null {
  if (body === null) return null;
  const kind = random.below(2_000);
  if (kind === 0) return big;
  if (kind < 4) return bomb;
  if (kind < 20) return gzipSync(body);
  if (kind < 30) return bytes(`${new TextDecoder().decode(body)}${' '.repeat(random.below(100_000))}`);
  return body;
}

/** As bytes that HTTP can carry; what it can't is for raw connections. */
const written = (text: string): string =>
  text.toWellFormed().replace(/[^\x21-\x7e]/gu, (character) => encodeURIComponent(character));
