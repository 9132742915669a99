// A certificate signing request (PKCS #10): who wants a certificate, for which key, under which names.
//
// What always holds: of a request nothing is known before its own key has signed for it.
// Source: RFC 2986; RFC 5280 (names, extensions); Kubernetes, pkg/apis/certificates/helpers.go (ParseCSR).

import { childrenOf, contentOf, oidOf, readDer, sequenceIn, tags, textOf, wholeOf } from './der.ts';
import type { Element } from './der.ts';
import { firstBlock } from './pem.ts';
import { signatureProblem } from './signature.ts';

export interface CertificateRequest {
  /** Values by the attribute's OID, in their order. */
  readonly subject: ReadonlyMap<string, readonly string[]>;
  readonly commonName: string;
  readonly organizations: readonly string[];
  /** SubjectPublicKeyInfo, as it came. */
  readonly publicKey: Uint8Array;
  readonly dnsNames: readonly string[];
  readonly emails: readonly string[];
  readonly uris: readonly string[];
  /** Four or sixteen bytes each. */
  readonly ips: readonly Uint8Array[];
}

export const commonNameOid = '2.5.4.3', organizationOid = '2.5.4.10';
const extensionRequestOid = '1.2.840.113549.1.9.14', alternativeNamesOid = '2.5.29.17';

const malformed = 'asn1: structure error: malformed certificate request';

/** The request, or why there is none, in the words of Go. */
export function parseRequest(pem: string): CertificateRequest | string {
  const block = firstBlock(pem);
  if (block?.type !== 'CERTIFICATE REQUEST') return 'PEM block type must be CERTIFICATE REQUEST';
  const whole = readDer(block.bytes), [info, algorithm, signature, ...more] = sequenceIn(whole) ?? [];
  if (info === undefined || algorithm === undefined || signature === undefined || more.length > 0) {
    return malformed;
  }
  const [version, name, publicKey, attributes] = sequenceIn(info) ?? [];
  if (version?.tag !== tags.integer || name === undefined || publicKey === undefined) return malformed;
  const subject = nameIn(name), names = namesIn(attributes);
  if (subject === null || names === null) return malformed;
  const unproved = signatureProblem(wholeOf(info), algorithm, signature, publicKey);
  if (unproved !== null) return unproved;
  return {
    subject, commonName: subject.get(commonNameOid)?.at(-1) ?? '',
    organizations: subject.get(organizationOid) ?? [], publicKey: wholeOf(publicKey), ...names,
  };
}

function nameIn(element: Element): ReadonlyMap<string, readonly string[]> | null {
  const parts = sequenceIn(element), name = new Map<string, string[]>();
  if (parts === null) return null;
  for (const part of parts) {
    const pairs = part.tag === tags.set ? childrenOf(part) : null;
    if (pairs === null) return null;
    for (const pair of pairs) {
      const [type, value, ...more] = sequenceIn(pair) ?? [], key = oidOf(type);
      const text = value === undefined ? null : textOf(value);
      if (key === null || text === null || more.length > 0) return null;
      name.set(key, [...name.get(key) ?? [], text]);
    }
  }
  return name;
}

type Names = Pick<CertificateRequest, 'dnsNames' | 'emails' | 'uris' | 'ips'>;

const noNames: Names = { dnsNames: [], emails: [], uris: [], ips: [] };

function namesIn(attributes: Element | undefined): Names | null {
  if (attributes === undefined) return noNames;
  const all = attributes.tag === 0xa0 ? childrenOf(attributes) : null;
  if (all === null) return null;
  for (const attribute of all) {
    const [type, values] = sequenceIn(attribute) ?? [];
    if (type === undefined || values?.tag !== tags.set) return null;
    if (oidOf(type) !== extensionRequestOid) continue;
    const [extensions] = childrenOf(values) ?? [], found = alternativeNames(sequenceIn(extensions));
    if (found !== undefined) return found;
  }
  return noNames;
}

/** Undefined: none are asked for. Null: what is asked for can't be read. */
function alternativeNames(extensions: readonly Element[] | null): Names | null | undefined {
  for (const extension of extensions ?? []) {
    const parts = sequenceIn(extension) ?? [], value = parts.at(-1);
    if (oidOf(parts[0]) !== alternativeNamesOid) continue;
    const names = value?.tag === tags.octets ? sequenceIn(readDer(contentOf(value))) : null;
    return names === null ? null : sorted(names);
  }
  return extensions === null ? null : undefined;
}

function sorted(names: readonly Element[]): Names | null {
  const dnsNames: string[] = [], emails: string[] = [], uris: string[] = [], ips: Uint8Array[] = [];
  for (const name of names) {
    const bytes = contentOf(name);
    if (name.tag === 0x87) {
      if (bytes.length !== 4 && bytes.length !== 16) return null;
      ips.push(bytes);
      continue;
    }
    const list = name.tag === 0x81 ? emails : name.tag === 0x82 ? dnsNames : name.tag === 0x86 ? uris : null;
    // Names of other kinds are not carried over into a certificate.
    if (list === null) continue;
    if (bytes.some((byte) => byte >= 0x80)) return null;
    list.push(new TextDecoder().decode(bytes));
  }
  return { dnsNames, emails, uris, ips };
}
