// JSON Web Tokens signed with ES256: made here, and read back with their signature verified.
//
// What always holds: only ES256 under a key of the cluster is taken, whatever else a token's header says;
// signing is deterministic (RFC 6979), so the same claims give the same token; a signature is verified once,
// then remembered.
// Source: RFC 7515, 7519; RFC 7518, section 3.4.

import { p256 } from '@noble/curves/nist.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { limits } from '../../limits.ts';
import { isObject } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';
import { decodeBase64url, encodeBase64url } from './base64url.ts';
import type { KeyRing, SigningKey } from './keys.ts';

export type Claims = JsonObject;

export function signToken(claims: Claims, { kid, secret }: SigningKey): string {
  const part = (value: Json): string => encodeBase64url(utf8ToBytes(JSON.stringify(value)));
  const signed = `${part({ alg: 'ES256', kid })}.${part(claims)}`;
  return `${signed}.${encodeBase64url(p256.sign(utf8ToBytes(signed), secret, { lowS: false }))}`;
}

/** The parts of a token whose signature nobody has looked at. */
export interface UnverifiedToken {
  readonly text: string;
  readonly kid: string;
  readonly claims: Claims;
}

/** Null for what is no token of ours by its form. */
export function parseToken(text: string): UnverifiedToken | null {
  if (text.length > limits.tokenLengthMax) return null;
  const parts = text.split('.', 4), [head = '', body = ''] = parts;
  if (parts.length !== 3) return null;
  const header = jsonIn(head), claims = jsonIn(body);
  if (!isObject(header) || !isObject(claims) || header['alg'] !== 'ES256') return null;
  const { kid = '' } = header;
  return typeof kid === 'string' ? { text, kid, claims } : null;
}

function jsonIn(part: string): Json {
  const bytes = decodeBase64url(part);
  if (bytes === null) return null;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Json;
  } catch {
    return null;
  }
}

export type Verdict = 'verified' | 'no-key' | 'forged';

/** Whether a key of the ring signed it, which is remembered. A token that names no key is tried with each. */
export function verifyToken(token: UnverifiedToken, ring: KeyRing<Claims>): Verdict {
  const { text, kid } = token, named = ring.publicKeys.get(kid);
  const keys = kid === '' ? [...ring.publicKeys.values()] : named === undefined ? [] : [named];
  if (keys.length === 0) return 'no-key';
  const cut = text.lastIndexOf('.'), signature = decodeBase64url(text.slice(cut + 1));
  if (signature === null || signature.length !== 64 || ring.forged.has(text)) return 'forged';
  const signed = utf8ToBytes(text.slice(0, cut));
  if (keys.some((key) => p256.verify(signature, signed, key, { lowS: false }))) {
    remember(token, ring);
    return 'verified';
  }
  if (text.length <= limits.tokenForgedLengthMax) keep(ring.forged, text);
  return 'forged';
}

/** In a set of bounded size, from which the oldest goes. */
function keep(set: Set<string>, text: string): void {
  const oldest = set.keys().next();
  if (set.size >= limits.tokensForgedMax && oldest.done !== true) set.delete(oldest.value);
  set.add(text);
}

/** The claims of a token that was verified before; null: it was not. */
export function recall(text: string, { verified }: KeyRing<Claims>): Claims | null {
  const claims = verified.get(text);
  if (claims === undefined) return null;
  verified.delete(text);
  verified.set(text, claims);
  return claims;
}

function remember({ text, claims }: UnverifiedToken, { verified }: KeyRing<Claims>): void {
  const oldest = verified.keys().next();
  if (verified.size >= limits.tokensVerifiedMax && oldest.done !== true) verified.delete(oldest.value);
  verified.set(text, claims);
}
