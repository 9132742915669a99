// The keys that ServiceAccount tokens are signed with: one object of the state, so that all peers share them
// through the log. The first key signs; the others verify what they signed before they were replaced.
//
// What always holds: no path of the API leads to this object, for its resource has a name that no kind can
// have; a key's id is the hash of its public half, so that an id never stands for two keys.
// Source: RFC 7517, 7518 (ES256); Kubernetes, pkg/serviceaccount/jwt.go (key ids).

import { p256 } from '@noble/curves/nist.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { objectKey, resourceName } from '../../ids.ts';
import { limits } from '../../limits.ts';
import { get } from '../../state/query.ts';
import type { State } from '../../state/state.ts';
import type { Op } from '../../state/types.ts';
import { updateOp } from '../objects.ts';
import { rfc3339 } from '../time.ts';
import type { KubeObject } from '../types.ts';
import { decodeBase64url, encodeBase64url } from './base64url.ts';

const tokenKeysName = 'service-accounts';
export const tokenKeysResource = resourceName('_shoal/tokenkeys');
export const tokenKeysKey = objectKey(tokenKeysResource, '', tokenKeysName);

export interface StoredKey {
  readonly kid: string;
  /** The private half: 32 bytes, base64url. */
  readonly secret: string;
  /** RFC 3339. */
  readonly since: string;
}

export interface TokenKeys extends KubeObject {
  /** The newest first, at least one. */
  readonly keys: readonly StoredKey[];
}

export interface SigningKey { readonly kid: string; readonly secret: Uint8Array }

/** The keys ready for use; `verified` remembers signatures, for checking one takes two milliseconds. */
export interface KeyRing<Verified> {
  readonly signing: SigningKey;
  /** Uncompressed points by key id, in the order of the keys. */
  readonly publicKeys: ReadonlyMap<string, Uint8Array>;
  /** By token, the least recently used first; at most `limits.tokensVerifiedMax`. */
  readonly verified: Map<string, Verified>;
  /** Tokens that no key signed, the oldest first; at most `limits.tokensForgedMax`. */
  readonly forged: Set<string>;
}

const rings = new WeakMap<TokenKeys, KeyRing<unknown>>();

/** Null while the state holds no keys (yet). */
export function keyRingOf<Verified>(state: State): KeyRing<Verified> | null {
  const stored = get<TokenKeys>(state, tokenKeysKey);
  if (stored === null) return null;
  let ring = rings.get(stored) ?? null;
  if (ring === null) {
    ring = ringOf(stored);
    if (ring !== null) rings.set(stored, ring);
  }
  return ring as KeyRing<Verified> | null;
}

function ringOf({ keys }: TokenKeys): KeyRing<unknown> | null {
  const publicKeys = new Map<string, Uint8Array>();
  let signing: SigningKey | null = null;
  for (const { kid, secret: text } of keys) {
    const secret = decodeBase64url(text);
    if (secret === null || !p256.utils.isValidSecretKey(secret)) continue;
    signing ??= { kid, secret };
    publicKeys.set(kid, p256.getPublicKey(secret, false));
  }
  return signing === null ? null : { signing, publicKeys, verified: new Map(), forged: new Set() };
}

/** `draw`: fresh random text with 122 bits of chance or more at each call. */
export function newKey(draw: () => string, nowWallMs: number): StoredKey {
  let secret: Uint8Array;
  // One in four billion hashes is no key of the curve.
  do secret = sha256(utf8ToBytes([draw(), draw(), draw()].join('\n')));
  while (!p256.utils.isValidSecretKey(secret));
  return {
    kid: keyId(p256.getPublicKey(secret, false)), secret: encodeBase64url(secret), since: rfc3339(nowWallMs),
  };
}

/** What stands before an uncompressed P-256 point in a SubjectPublicKeyInfo. Source: RFC 5480. */
const spkiPrefix = hexToBytes('3059301306072a8648ce3d020106082a8648ce3d030107034200');

const keyId = (publicKey: Uint8Array): string =>
  encodeBase64url(sha256(concatBytes(spkiPrefix, publicKey)));

/** The first keys of a cluster, without an identity yet. */
export function foundingKeys(
  draw: () => string, nowWallMs: number,
): Omit<TokenKeys, 'metadata'> & { readonly metadata: { readonly name: string } } {
  return {
    apiVersion: 'shoal.dev/v1', kind: 'TokenKeys', metadata: { name: tokenKeysName },
    keys: [newKey(draw, nowWallMs)],
  };
}

/** A new key signs from now on. `dropped`: ids of keys that are forgotten for it, their tokens with them. */
export function rotateKeysOp(
  stored: TokenKeys, draw: () => string, nowWallMs: number,
): { readonly op: Op; readonly kid: string; readonly dropped: readonly string[] } {
  const fresh = newKey(draw, nowWallMs), all = [fresh, ...stored.keys];
  const keys = all.slice(0, limits.tokenKeysMax);
  const dropped = all.slice(limits.tokenKeysMax).map(({ kid }) => kid);
  const next: TokenKeys = { ...stored, keys };
  return { op: updateOp(tokenKeysResource, stored, next), kid: fresh.kid, dropped };
}

// ── for others that verify tokens ────────────────────────────────────────────────────────────────────────

/** The public keys as a JSON Web Key Set. */
export function keySet(state: State): object {
  const keys = [...keyRingOf(state)?.publicKeys ?? []].map(([kid, point]) => ({
    use: 'sig', kty: 'EC', kid, crv: 'P-256', alg: 'ES256',
    x: encodeBase64url(point.subarray(1, 33)), y: encodeBase64url(point.subarray(33)),
  }));
  return { keys };
}
