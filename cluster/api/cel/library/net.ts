// IP addresses, CIDRs and URLs.
//
// Source of facts: k8s.io/apiserver pkg/cel/library/ip.go, cidr.go and urls.go (functions, messages, what is
// refused: zones, IPv4 in IPv6), Go's net/netip for how an address is read and written, RFC 5952.
// What always holds: an address is kept as its bits and how many there are, so that comparing is exact.

import { global, method, traversal } from '../functions.ts';
import type { Cost, Overload } from '../functions.ts';
import { BuiltMap, Fault, isFault, List, noSuchOverload, Opaque } from '../values.ts';
import type { Value } from '../values.ts';

export interface Address { readonly bits: bigint; readonly width: 32 | 128 }
interface Range { readonly address: Address; readonly prefix: number }

// ── reading and writing ──────────────────────────────────────────────────────────────────────────────────

function parseV4(text: string): bigint | null {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) {
    return null;
  }
  return parts.reduce((bits, part) => bits << 8n | BigInt(part), 0n);
}

function parseV6(text: string): bigint | null {
  const tail = /^(.*:)([^:]*\..*)$/.exec(text), v4 = tail === null ? null : parseV4(tail[2] ?? '');
  if (tail !== null && v4 === null) return null;
  const plain = tail === null ? text
    : `${tail[1]}${((v4 ?? 0n) >> 16n).toString(16)}:${((v4 ?? 0n) & 0xffffn).toString(16)}`;
  const halves = plain.split('::');
  if (halves.length > 2) return null;
  const groups = halves.map((half) => half === '' ? [] : half.split(':'));
  const [left = [], right = []] = groups, count = left.length + right.length;
  if (halves.length === 1 ? count !== 8 : count > 7) return null;
  const all = [...left, ...Array.from({ length: 8 - count }, () => '0'), ...right];
  if (!all.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return null;
  return all.reduce((bits, group) => bits << 16n | BigInt(`0x${group}`), 0n);
}

/** Null for what is no address; zones are none here. */
export function parseAddress(text: string): Address | null {
  if (text.length > 64) return null;
  const v6 = text.includes(':'), bits = v6 ? parseV6(text) : parseV4(text);
  return bits === null ? null : { bits, width: v6 ? 128 : 32 };
}

export function addressText({ bits, width }: Address): string {
  if (width === 32) return [24n, 16n, 8n, 0n].map((shift) => bits >> shift & 255n).join('.');
  const groups = Array.from({ length: 8 }, (_, at) => (bits >> BigInt(112 - 16 * at) & 0xffffn).toString(16));
  let best = -1, longest = 1;
  for (let at = 0; at < 8; at++) {
    let end = at;
    while (end < 8 && groups[end] === '0') end += 1;
    if (end - at > longest) [best, longest] = [at, end - at];
  }
  if (best < 0) return groups.join(':');
  return `${groups.slice(0, best).join(':')}::${groups.slice(best + longest).join(':')}`;
}

const isMapped = ({ bits, width }: Address): boolean => width === 128 && bits >> 32n === 0xffffn;

function readAddress(text: string): Address | Fault {
  if (text.includes('%')) {
    return new Fault(`IP address ${JSON.stringify(text)} with zone value is not allowed`);
  }
  const found = parseAddress(text);
  if (found === null) return new Fault(
    `IP Address ${JSON.stringify(text)} parse error during conversion from `
    + `string: ParseAddr(${JSON.stringify(text)}): ${whyNoAddress(text)}`);
  return isMapped(found) ? new Fault(`IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed`)
    : found;
}

function whyNoAddress(text: string): string {
  if (text.includes(':')) return 'unexpected character';
  if (!text.includes('.')) return 'unable to parse IP';
  const parts = text.split('.');
  if (parts.some((part) => /^0\d/.test(part))) return 'IPv4 field has octet with leading zero';
  if (parts.some((part) => /^\d+$/.test(part) && Number(part) > 255)) return 'IPv4 field has value >255';
  return parts.every((part) => /^\d+$/.test(part)) ? `IPv4 address too ${parts.length < 4 ? 'short' : 'long'}`
    : 'unexpected character';
}

const parseError = 'network address parse error during conversion from string: ';

function readRange(text: string): Range | Fault {
  const slash = text.lastIndexOf('/'), digits = text.slice(slash + 1);
  const wrong = (why: string): Fault => new Fault(`${parseError}${parseError}`
    + `netip.ParsePrefix(${JSON.stringify(text)}): ${why}`);
  if (slash < 0) return wrong("no '/'");
  const address = parseAddress(text.slice(0, slash));
  if (address === null) return wrong(
    `ParseAddr(${JSON.stringify(text.slice(0, slash))}): unable to parse IP`);
  if (isMapped(address)) {
    return new Fault(`${parseError}IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed`);
  }
  const shown = JSON.stringify(digits);
  if (!/^(0|[1-9]\d*)$/.test(digits)) return wrong(`bad bits after slash: ${shown}`);
  return Number(digits) > address.width ? wrong(`prefix length out of range`)
    : { address, prefix: Number(digits) };
}

const ip = (address: Address): Opaque => new Opaque('net.IP', address, addressText(address));
const rangeText = ({ address, prefix }: Range): string => `${addressText(address)}/${prefix}`;
const cidr = (range: Range): Opaque => new Opaque('net.CIDR', range, rangeText(range));
const addressOf = (value: Opaque): Address => value.data as Address;
const rangeOf = (value: Opaque): Range => value.data as Range;

function parsed<T>(read: (text: string) => T | Fault, make: (found: T) => Opaque) {
  return (text: string): Value | Fault => {
    const found = read(text);
    return isFault(found) ? found : make(found);
  };
}

// ── what an address is ───────────────────────────────────────────────────────────────────────────────────

const startsWith = ({ bits, width }: Address, prefix: bigint, length: number): boolean =>
  bits >> BigInt(width - length) === prefix;

const isMulticast = (a: Address): boolean => a.width === 32 ? startsWith(a, 0xen, 4)
  : startsWith(a, 0xffn, 8);
const isLoopback = (a: Address): boolean => a.width === 32 ? startsWith(a, 127n, 8) : a.bits === 1n;
const isLinkLocal = (a: Address): boolean =>
  a.width === 32 ? startsWith(a, 0xa9fen, 16) : startsWith(a, 0x3fan, 10);
const isLinkLocalMulticast = (a: Address): boolean =>
  a.width === 32 ? startsWith(a, 0xe00000n, 24) : isMulticast(a) && (a.bits >> 112n & 15n) === 2n;
const isBroadcast = (a: Address): boolean => a.width === 32 && a.bits === 0xffffffffn;
const isGlobal = (a: Address): boolean => a.bits !== 0n && !isBroadcast(a) && !isLoopback(a)
  && !isMulticast(a) && !isLinkLocal(a);

function within(range: Range, { bits, width }: Address, prefix: number): boolean {
  if (width !== range.address.width || prefix < range.prefix) return false;
  const shift = BigInt(width - range.prefix);
  return bits >> shift === range.address.bits >> shift;
}

function masked({ address, prefix }: Range): Range {
  const shift = BigInt(address.width - prefix);
  return { address: { ...address, bits: address.bits >> shift << shift }, prefix };
}

// ── URLs ─────────────────────────────────────────────────────────────────────────────────────────────────

interface Url {
  readonly scheme: string; readonly host: string; readonly path: string; readonly query: string;
}

const urlForm = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s;

/** An absolute URI or an absolute path, as Go's url.ParseRequestURI takes it. */
export function readUrl(text: string): Url | Fault {
  const wrong = (why: string): Fault =>
    new Fault(`URL parse error during conversion from string: parse ${JSON.stringify(text)}: ${why}`);
  if (text === '') return wrong('empty url');
  if (/[\u0000-\u001f\u007f]/.test(text)) return wrong('net/url: invalid control character in URL');
  const found = urlForm.exec(text);
  if (found === null) return wrong('invalid URI for request');
  const [, scheme = '', authority = '', path = '', query = ''] = found;
  if (text.startsWith(':')) return wrong('missing protocol scheme');
  if (scheme === '' && !text.startsWith('/')) return wrong('invalid URI for request');
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  if (scheme !== '' && authority === '' && !path.startsWith('/')) return wrong('invalid URI for request');
  const port = /:([^\]]*)$/.exec(host.startsWith('[') ? host.slice(host.indexOf(']') + 1) : host)?.[1] ?? '';
  if (!/^\d*$/.test(port)) return wrong(`invalid port ${JSON.stringify(`:${port}`)} after host`);
  if (/%(?![0-9a-fA-F]{2})/.test(path)) {
    return wrong(
      `invalid URL escape ${JSON.stringify(path.slice(path.search(/%(?![0-9a-fA-F]{2})/)).slice(0, 3))}`);
  }
  if (/[ <>"]/.test(host)) return wrong(
    `invalid character ${JSON.stringify(/[ <>"]/.exec(host)?.[0])} in host name`);
  return { scheme: scheme.toLowerCase(), host, path, query };
}

const urlOf = (value: Opaque): Url => value.data as Url;
const portAt = (host: string): number => host.lastIndexOf(':') > host.lastIndexOf(']')
  ? host.lastIndexOf(':') : -1;

function hostname({ host }: Url): string {
  const cut = portAt(host), name = cut < 0 ? host : host.slice(0, cut);
  return name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1) : name;
}

/** What an escape says; what is no UTF-8 stays as it is. */
function decoded(text: string): string {
  return text.replace(/(?:%[0-9a-fA-F]{2})+/g, (part) => {
    const bytes = part.slice(1).split('%').map((hex) => parseInt(hex, 16));
    return new TextDecoder().decode(Uint8Array.from(bytes));
  });
}

/** As Go writes a path back: what may not stand in one is escaped. */
const encodedPath = (path: string): string => path.replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@/%[\]]/gu, (ch) =>
  [...new TextEncoder().encode(ch)].map(
    (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''));

function queryOf({ query }: Url): Value {
  const found = new Map<string, readonly [Value, Value]>(), values = new Map<string, string[]>();
  for (const pair of query.split('&').filter((each) => each !== '' && !each.includes(';'))) {
    const cut = pair.indexOf('='), name = decoded((cut < 0 ? pair : pair.slice(0, cut)).replaceAll('+', ' '));
    const value = cut < 0 ? '' : decoded(pair.slice(cut + 1).replaceAll('+', ' '));
    values.set(name, [...values.get(name) ?? [], value]);
  }
  for (const name of [...values.keys()].sort()) found.set(
    `s${name}`, [name, new List(values.get(name) ?? [])]);
  return new BuiltMap(found);
}

// ── tables ───────────────────────────────────────────────────────────────────────────────────────────────

const ofRange: Cost = ([range]) => Math.ceil(rangeOf(range as Opaque).address.width / 4 * 0.1);

const addresses: readonly Overload[] = [
  global('ip(string) net.IP', parsed(readAddress, ip), traversal()),
  global('isIP(string) bool', (text: string) => !isFault(readAddress(text)), traversal()),
  global('ip.isCanonical(string) bool', (text: string) => {
    const found = readAddress(text);
    return isFault(found) ? found : addressText(found) === text;
  }, traversal(2)),
  global('string(net.IP) string', ({ text }: Opaque) => text),
  method('net.IP.family() int', (a: Opaque) => addressOf(a).width === 32 ? 4n : 6n),
  method('net.IP.isUnspecified() bool', (a: Opaque) => addressOf(a).bits === 0n),
  method('net.IP.isLoopback() bool', (a: Opaque) => isLoopback(addressOf(a))),
  method('net.IP.isLinkLocalMulticast() bool', (a: Opaque) => isLinkLocalMulticast(addressOf(a))),
  method('net.IP.isLinkLocalUnicast() bool', (a: Opaque) => isLinkLocal(addressOf(a))),
  method('net.IP.isGlobalUnicast() bool', (a: Opaque) => isGlobal(addressOf(a))),
];

const ranges: readonly Overload[] = [
  global('cidr(string) net.CIDR', parsed(readRange, cidr), traversal()),
  global('isCIDR(string) bool', (text: string) => !isFault(readRange(text)), traversal()),
  global('string(net.CIDR) string', ({ text }: Opaque) => text),
  method('net.CIDR.containsIP(net.IP) bool', (a: Opaque, b: Opaque) =>
    within(rangeOf(a), addressOf(b), addressOf(b).width), ofRange),
  method('net.CIDR.containsIP(string) bool', (a: Opaque, text: string) => {
    const b = readAddress(text);
    return isFault(b) ? noSuchOverload : within(rangeOf(a), b, b.width);
  }, ofRange),
  method('net.CIDR.containsCIDR(net.CIDR) bool', (a: Opaque, b: Opaque) =>
    within(rangeOf(a), rangeOf(b).address, rangeOf(b).prefix), ofRange),
  method('net.CIDR.containsCIDR(string) bool', (a: Opaque, text: string) => {
    const b = readRange(text);
    return isFault(b) ? b : within(rangeOf(a), b.address, b.prefix);
  }, ofRange),
  method('net.CIDR.ip() net.IP', (a: Opaque) => ip(rangeOf(a).address)),
  method('net.CIDR.prefixLength() int', (a: Opaque) => BigInt(rangeOf(a).prefix)),
  method('net.CIDR.masked() net.CIDR', (a: Opaque) => cidr(masked(rangeOf(a)))),
];

const urls: readonly Overload[] = [
  global('url(string) kubernetes.URL', (text: string) => {
    const found = readUrl(text);
    return isFault(found) ? found : new Opaque('kubernetes.URL', found, text);
  }, traversal()),
  global('isURL(string) bool', (text: string) => !isFault(readUrl(text)), traversal()),
  method('kubernetes.URL.getScheme() string', (url: Opaque) => urlOf(url).scheme),
  method('kubernetes.URL.getHost() string', (url: Opaque) => urlOf(url).host),
  method('kubernetes.URL.getHostname() string', (url: Opaque) => hostname(urlOf(url))),
  method('kubernetes.URL.getPort() string', (url: Opaque) => {
    const { host } = urlOf(url), cut = portAt(host);
    return cut < 0 ? '' : host.slice(cut + 1);
  }),
  method('kubernetes.URL.getEscapedPath() string', (url: Opaque) => encodedPath(urlOf(url).path)),
  method('kubernetes.URL.getQuery() map(string, list(string))', (url: Opaque) => queryOf(urlOf(url))),
];

export const netFunctions: readonly Overload[] = [...addresses, ...ranges, ...urls];
