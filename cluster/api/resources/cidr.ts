// Ranges of addresses as `10.0.0.0/8` and `2001:db8::/64`.
// Source: apimachinery util/validation (IsValidCIDR, IsCanonical…), RFC 4632.

import { parseIpv4, parseIpv6 } from './names.ts';

export interface Cidr {
  /** Four or sixteen. */
  readonly bytes: readonly number[];
  /** Length of the prefix. */
  readonly bits: number;
}

const message = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

export function parseCidr(text: string): Cidr | null {
  const cut = text.indexOf('/'), address = text.slice(0, cut), length = text.slice(cut + 1);
  if (cut <= 0 || !/^(0|[1-9][0-9]{0,2})$/.test(length)) return null;
  const v4 = parseIpv4(address), groups = v4 === null ? parseIpv6(address) : null;
  const bytes = v4 ?? groups?.flatMap((group) => [group >> 8, group & 255]);
  const bits = Number(length);
  return bytes === undefined || bits > bytes.length * 8 ? null : { bytes, bits };
}

/** What is wrong with the text as a range; bits beyond its prefix must be zero. */
export function cidrErrors(text: string): readonly string[] {
  const found = parseCidr(text);
  if (found === null) return [message];
  return isMasked(found) ? [] : ['must not have bits set beyond the prefix length'];
}

const isMasked = ({ bytes, bits }: Cidr): boolean =>
  bytes.every((byte, i) => (byte & (255 >> Math.max(0, Math.min(8, bits - i * 8)))) === 0);

/** Whether the first address of `inner` lies in `outer`. */
export function cidrContains(outer: Cidr, inner: Cidr): boolean {
  if (outer.bytes.length !== inner.bytes.length) return false;
  return outer.bytes.every((byte, i) => {
    const kept = Math.max(0, Math.min(8, outer.bits - i * 8)), mask = (255 << (8 - kept)) & 255;
    return (byte & mask) === ((inner.bytes[i] ?? 0) & mask);
  });
}
