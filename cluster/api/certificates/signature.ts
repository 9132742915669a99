// Whether a public key has signed something, for the kinds of keys that certificates are asked for with:
// ECDSA, RSA (PKCS #1 v1.5), Ed25519.
//
// What always holds: nothing throws for what a client sends, and no key costs more than a few milliseconds.
// Source: RFC 3279, 5480, 5758, 8410; RFC 8017, section 8.2.2.

import { ed25519 } from '@noble/curves/ed25519.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { bitsOf, contentOf, oidOf, readDer, sequenceIn, tags } from './der.ts';
import type { Element } from './der.ts';

type Hash = (bytes: Uint8Array) => Uint8Array;
interface Algorithm { readonly key: 'ecdsa' | 'rsa' | 'ed25519'; readonly hash: Hash; readonly info: string }

/** `info`: what stands before the hash in an RSA signature (DigestInfo). */
const algorithms: Readonly<Record<string, Algorithm>> = {
  '1.2.840.10045.4.3.2': { key: 'ecdsa', hash: sha256, info: '' },
  '1.2.840.10045.4.3.3': { key: 'ecdsa', hash: sha384, info: '' },
  '1.2.840.10045.4.3.4': { key: 'ecdsa', hash: sha512, info: '' },
  '1.2.840.113549.1.1.11': { key: 'rsa', hash: sha256, info: '3031300d060960864801650304020105000420' },
  '1.2.840.113549.1.1.12': { key: 'rsa', hash: sha384, info: '3041300d060960864801650304020205000430' },
  '1.2.840.113549.1.1.13': { key: 'rsa', hash: sha512, info: '3051300d060960864801650304020305000440' },
  '1.3.101.112': { key: 'ed25519', hash: sha512, info: '' },
};

const curves = { '1.2.840.10045.3.1.7': p256, '1.3.132.0.34': p384, '1.3.132.0.35': p521 } as const;
const keyKinds = {
  '1.2.840.10045.2.1': 'ecdsa', '1.2.840.113549.1.1.1': 'rsa', '1.3.101.112': 'ed25519',
} as const;

/** Null where `signature` is the key's own of `signed`; else why not, in the words of Go. */
export function signatureProblem(
  signed: Uint8Array, algorithmId: Element, signature: Element, publicKey: Element,
): string | null {
  const [name] = sequenceIn(algorithmId) ?? [], used = known(algorithms, oidOf(name));
  if (used === null) return 'x509: cannot verify signature: algorithm unimplemented';
  const [kindId, point] = sequenceIn(publicKey) ?? [], [keyName, parameter] = sequenceIn(kindId) ?? [];
  const key = bitsOf(point), value = bitsOf(signature), kind = known(keyKinds, oidOf(keyName));
  if (key === null || value === null || kind === null) return 'x509: unsupported elliptic curve or key';
  if (kind !== used.key) {
    return 'x509: signature algorithm specifies another kind of key than that of the request';
  }
  switch (kind) {
    case 'ecdsa': return ecdsaProblem(used.hash(signed), value, key, oidOf(parameter));
    case 'rsa': return rsaProblem(`${used.info}${bytesToHex(used.hash(signed))}`, value, key);
    case 'ed25519':
      return holds(() => ed25519.verify(value, signed, key)) ? null : 'x509: Ed25519 verification failure';
  }
}

function known<T>(table: Readonly<Record<string, T>>, name: string | null): T | null {
  return name !== null && Object.hasOwn(table, name) ? table[name] ?? null : null;
}

/** Points that are on no curve, and numbers out of range, are a no. */
function holds(verify: () => boolean): boolean {
  try {
    return verify();
  } catch {
    return false;
  }
}

function ecdsaProblem(
  digest: Uint8Array, signature: Uint8Array, key: Uint8Array, curveName: string | null,
): string | null {
  const curve = known(curves, curveName);
  if (curve === null) return 'x509: unsupported elliptic curve';
  const options = { prehash: false, lowS: false, format: 'der' } as const;
  return holds(() => curve.verify(signature, digest, key, options)) ? null
    : 'x509: ECDSA verification failure';
}

const modulusBitsMin = 1_024, modulusBitsMax = 8_192, exponentMax = 2n ** 31n;

function rsaProblem(digestInfo: string, signature: Uint8Array, key: Uint8Array): string | null {
  const [n, e] = sequenceIn(readDer(key)) ?? [];
  if (n?.tag !== tags.integer || e?.tag !== tags.integer) return 'x509: invalid RSA public key';
  const modulus = numberOf(contentOf(n)), exponent = numberOf(contentOf(e));
  const size = Math.ceil(bytesToHex(contentOf(n)).replace(/^(00)+/, '').length / 2);
  if (size * 8 > modulusBitsMax || size * 8 < modulusBitsMin || exponent < 3n || exponent > exponentMax) {
    return 'crypto/rsa: invalid or unsupported public key';
  }
  const failed = 'crypto/rsa: verification error', value = numberOf(signature);
  if (signature.length !== size || value >= modulus) return failed;
  const padding = size - 3 - digestInfo.length / 2;
  if (padding < 8) return failed;
  const expected = `0001${'ff'.repeat(padding)}00${digestInfo}`;
  const shown = power(value, exponent, modulus).toString(16).padStart(size * 2, '0');
  return shown === expected ? null : failed;
}

const numberOf = (bytes: Uint8Array): bigint => BigInt(`0x${bytesToHex(bytes) || '0'}`);

function power(value: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n, square = value % modulus;
  for (let left = exponent; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = result * square % modulus;
    square = square * square % modulus;
  }
  return result;
}
