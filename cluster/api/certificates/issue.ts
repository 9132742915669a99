// Certificates signed by the cluster's authority, for what a request asks: made in the core, so that whoever
// leads can do it and the simulator does the very same.
//
// What always holds: no certificate made here is an authority itself, or outlives the one that signed it; its
// subject holds only attributes that are known, written anew.
// Source: RFC 5280; Kubernetes, pkg/controller/certificates/authority (Sign, PermissiveSigningPolicy).

import { p256 } from '@noble/curves/nist.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import type { Authority } from '../access/authority.ts';
import {
  bits, childrenOf, contentOf, der, integer, oid, oidOf, readDer, sequence, tags, text, time, timeOf,
  wholeOf,
} from './der.ts';
import type { Element } from './der.ts';
import { firstBlock, pemOf } from './pem.ts';
import type { CertificateRequest } from './request.ts';

/** What a certificate of the core can be used for. */
export type Usage = 'digital signature' | 'key encipherment' | 'client auth' | 'server auth';

export interface Issue {
  readonly request: CertificateRequest;
  readonly usages: readonly Usage[];
  readonly seconds: number;
  readonly nowWallMs: number;
  /** Fresh random text, from which the serial number follows. */
  readonly chance: string;
}

/** The certificate as PEM, or why the authority can't sign it. */
export function issueCertificate(authority: Authority, issue: Issue): { readonly pem: string } | string {
  const signer = signerOf(authority);
  if (typeof signer === 'string') return signer;
  const { request, usages, nowWallMs } = issue, { notBefore, notAfter } = validity(issue, signer.notAfter);
  if (nowWallMs >= signer.notAfter) return 'refusing to sign a certificate that expired in the past';
  const content = sequence(
    der(0xa0, integer(Uint8Array.of(2))), integer(serial(issue.chance)), ecdsaWithSha256, signer.subject,
    sequence(time(notBefore), time(notAfter)), subjectOf(request), request.publicKey,
    der(0xa3, sequence(...extensions(request, usages, signer.keyId))),
  );
  const signature = p256.sign(content, signer.secret, { lowS: false, format: 'der' });
  const bytes = sequence(content, ecdsaWithSha256, bits(signature));
  return { pem: pemOf({ type: 'CERTIFICATE', bytes }) };
}

const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'));
const minuteMs = 60_000, hourMs = 60 * minuteMs;
/** Clocks differ: a certificate holds from a little before it was made; short ones are not cut for it. */
const backdateMs = 5 * minuteMs, shortMs = 8 * hourMs;

function validity({ seconds, nowWallMs }: Issue, latest: number): { notBefore: number; notAfter: number } {
  const wanted = nowWallMs + seconds * 1000 - (seconds * 1000 < shortMs ? 0 : backdateMs);
  return { notBefore: nowWallMs - backdateMs, notAfter: Math.min(wanted, latest) };
}

/** Positive, of 127 bits. */
function serial(chance: string): Uint8Array {
  const bytes = sha256(utf8ToBytes(chance)).slice(0, 16);
  bytes[0] = (bytes[0] ?? 0) & 0x7f | 0x40;
  return bytes;
}

// ── the authority ────────────────────────────────────────────────────────────────────────────────────────

interface Signer {
  /** As it stands in its certificate. */
  readonly subject: Uint8Array;
  readonly keyId: Uint8Array | null;
  readonly notAfter: number;
  readonly secret: Uint8Array;
}

function signerOf({ cert, key }: Authority): Signer | string {
  const unreadable = "the cluster's CA can't be read", whole = firstBlock(cert);
  const [content] = whole?.type === 'CERTIFICATE' ? childrenIn(readDer(whole.bytes)) : [];
  const parts = childrenIn(content), from = parts[0]?.tag === 0xa0 ? 1 : 0;
  const validity = parts[from + 3], subject = parts[from + 4], last = parts.at(-1);
  const notAfter = timeOf(childrenIn(validity)[1]), secret = secretIn(key);
  if (subject === undefined || notAfter === null || secret === null) return unreadable;
  const list = last?.tag === 0xa3 ? childrenIn(childrenIn(last)[0]) : [];
  const id = list.map(childrenIn).find(([name]) => oidOf(name) === '2.5.29.14')?.at(-1);
  const keyId = id?.tag === tags.octets ? readDer(contentOf(id)) : null;
  return { subject: wholeOf(subject), keyId: keyId === null ? null : contentOf(keyId), notAfter, secret };
}

const childrenIn = (element: Element | null | undefined): readonly Element[] =>
  (element === null || element === undefined ? null : childrenOf(element)) ?? [];

/** The number in a PKCS #8 key of the curve P-256; null for any other key. */
function secretIn(pem: string): Uint8Array | null {
  const block = firstBlock(pem);
  if (block?.type !== 'PRIVATE KEY') return null;
  const [, kind, inner] = childrenIn(readDer(block.bytes)), [type, curve] = childrenIn(kind);
  if (oidOf(type) !== '1.2.840.10045.2.1' || oidOf(curve) !== '1.2.840.10045.3.1.7') return null;
  const [, number] = inner?.tag === tags.octets ? childrenIn(readDer(contentOf(inner))) : [];
  const secret = number?.tag === tags.octets ? contentOf(number) : null;
  return secret !== null && p256.utils.isValidSecretKey(secret) ? secret : null;
}

// ── what the certificate says ────────────────────────────────────────────────────────────────────────────

/** Country, organisation, unit, locality, province, street, postal code, common name, serial number. */
const subjectOids = [
  '2.5.4.6', '2.5.4.10', '2.5.4.11', '2.5.4.7', '2.5.4.8', '2.5.4.9', '2.5.4.17', '2.5.4.3', '2.5.4.5',
] as const;
/** Of these there is one, the last that was named. */
const single = new Set<string>(['2.5.4.3', '2.5.4.5']);

function subjectOf({ subject }: CertificateRequest): Uint8Array {
  return sequence(...subjectOids.flatMap((name) => {
    const all = subject.get(name) ?? [], values = single.has(name) ? all.slice(-1) : all;
    return values.map((value) => der(tags.set, sequence(oid(name), text(value))));
  }));
}

function extensions(
  request: CertificateRequest, usages: readonly Usage[], keyId: Uint8Array | null,
): readonly Uint8Array[] {
  const key = keyUsage(usages), extended = extendedUsages(usages);
  const made = key === null ? [] : [extension('2.5.29.15', true, key)];
  if (extended.length > 0) made.push(extension('2.5.29.37', false, sequence(...extended)));
  made.push(extension('2.5.29.19', true, sequence()));
  if (keyId !== null) made.push(extension('2.5.29.35', false, sequence(der(0x80, keyId))));
  const names = [
    ...request.dnsNames.map((name) => der(0x82, utf8ToBytes(name))),
    ...request.emails.map((name) => der(0x81, utf8ToBytes(name))),
    ...request.ips.map((ip) => der(0x87, ip)), ...request.uris.map((uri) => der(0x86, utf8ToBytes(uri))),
  ];
  if (names.length > 0) made.push(extension('2.5.29.17', false, sequence(...names)));
  return made;
}

function extension(name: string, critical: boolean, value: Uint8Array): Uint8Array {
  const flag = critical ? [der(tags.boolean, Uint8Array.of(0xff))] : [];
  return sequence(oid(name), ...flag, der(tags.octets, value));
}

/** Null: none is named. An extension that names none is malformed. */
function keyUsage(usages: readonly Usage[]): Uint8Array | null {
  const signs = usages.includes('digital signature'), enciphers = usages.includes('key encipherment');
  const byte = (signs ? 0x80 : 0) | (enciphers ? 0x20 : 0);
  return byte === 0 ? null : bits(Uint8Array.of(byte), enciphers ? 5 : 7);
}

function extendedUsages(usages: readonly Usage[]): readonly Uint8Array[] {
  return [
    ...usages.includes('client auth') ? [oid('1.3.6.1.5.5.7.3.2')] : [],
    ...usages.includes('server auth') ? [oid('1.3.6.1.5.5.7.3.1')] : [],
  ];
}
