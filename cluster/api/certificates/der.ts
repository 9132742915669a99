// ASN.1 in its distinguished encoding: as much of it as certificates are made of.
//
// What always holds: reading never leaves the bytes it was given, takes time linear in them and recurses
// nowhere; what is not well formed is null. Source: ITU-T X.690.

import { utf8ToBytes } from '@noble/hashes/utils.js';

/** One value: its tag, where it starts, and where its content lies in `bytes`. */
export interface Element {
  readonly bytes: Uint8Array;
  readonly tag: number;
  readonly start: number;
  readonly from: number;
  readonly to: number;
}

export const tags = {
  boolean: 0x01, integer: 0x02, bits: 0x03, octets: 0x04, oid: 0x06, utf8: 0x0c, printable: 0x13,
  teletex: 0x14, ia5: 0x16, utcTime: 0x17, generalTime: 0x18, bmp: 0x1e, sequence: 0x30, set: 0x31,
} as const;

/** Values in one sequence; certificates hold a few dozen. */
const childrenMax = 4_096;

function readAt(bytes: Uint8Array, start: number, end: number): Element | null {
  const tag = bytes[start], first = bytes[start + 1];
  if (tag === undefined || first === undefined || start + 2 > end || (tag & 0x1f) === 0x1f) return null;
  let from = start + 2, length = first;
  if (first >= 0x80) {
    const size = first & 0x7f;
    if (size === 0 || size > 4 || from + size > end) return null;
    length = 0;
    for (let i = 0; i < size; i += 1) length = length * 256 + (bytes[from + i] ?? 0);
    from += size;
    // The shortest form only.
    if (length < 0x80 || length < 256 ** (size - 1)) return null;
  }
  return from + length > end ? null : { bytes, tag, start, from, to: from + length };
}

/** The one value that these bytes are, whole. */
export function readDer(bytes: Uint8Array): Element | null {
  const element = readAt(bytes, 0, bytes.length);
  return element?.to === bytes.length ? element : null;
}

/** The values inside; null where it is not made of values. */
export function childrenOf({ bytes, from, to }: Element): readonly Element[] | null {
  const children: Element[] = [];
  for (let at = from; at < to;) {
    const child = readAt(bytes, at, to);
    if (child === null || children.length >= childrenMax) return null;
    children.push(child);
    at = child.to;
  }
  return children;
}

/** The values inside a sequence; null for anything else. */
export const sequenceIn = (element: Element | null | undefined): readonly Element[] | null =>
  (element?.tag === tags.sequence ? childrenOf(element) : null);

export const contentOf = ({ bytes, from, to }: Element): Uint8Array => bytes.subarray(from, to);
/** With its tag and length. */
export const wholeOf = ({ bytes, start, to }: Element): Uint8Array => bytes.subarray(start, to);

/** `1.2.840.113549`; null where it is none. */
export function oidOf(element: Element | undefined): string | null {
  if (element?.tag !== tags.oid || element.to === element.from || element.to - element.from > 64) return null;
  const numbers: number[] = [];
  let value = 0;
  for (const byte of contentOf(element)) {
    value = value * 128 + (byte & 0x7f);
    if (value > Number.MAX_SAFE_INTEGER / 128) return null;
    if ((byte & 0x80) !== 0) continue;
    numbers.push(value);
    value = 0;
  }
  const [head = 0, ...rest] = numbers, first = Math.min(2, Math.floor(head / 40));
  return [first, head - first * 40, ...rest].join('.');
}

/** The bytes of a bit string that has no odd bits. */
export function bitsOf(element: Element | undefined): Uint8Array | null {
  if (element?.tag !== tags.bits) return null;
  const content = contentOf(element);
  return content[0] === 0 ? content.subarray(1) : null;
}

/** A text in whatever alphabet it is written. */
export function textOf(element: Element): string | null {
  const content = contentOf(element);
  switch (element.tag) {
    case tags.utf8: case tags.printable: case tags.ia5: case tags.teletex:
      try {
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
      } catch {
        return null;
      }
    case tags.bmp: {
      if (content.length % 2 !== 0) return null;
      let text = '';
      for (let at = 0; at < content.length; at += 2) {
        text += String.fromCharCode((content[at] ?? 0) * 256 + (content[at + 1] ?? 0));
      }
      return text;
    }
    default: return null;
  }
}

/** Milliseconds since 1970. */
export function timeOf(element: Element | undefined): number | null {
  if (element === undefined) return null;
  const digits = new TextDecoder().decode(contentOf(element));
  const general = element.tag === tags.generalTime;
  if (!general && element.tag !== tags.utcTime) return null;
  const form = general ? /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
    : /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
  const parts = form.exec(digits)?.slice(1).map(Number);
  if (parts === undefined) return null;
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = parts;
  const whole = general ? year : year < 50 ? 2000 + year : 1900 + year;
  return Date.UTC(whole, month - 1, day, hour, minute, second);
}

// ── writing ──────────────────────────────────────────────────────────────────────────────────────────────

export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0), size: number[] = [];
  if (length < 0x80) size.push(length);
  else {
    for (let left = length; left > 0; left = Math.floor(left / 256)) size.unshift(left & 0xff);
    size.unshift(0x80 | size.length);
  }
  const out = new Uint8Array(1 + size.length + length);
  out.set([tag, ...size]);
  let at = 1 + size.length;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export const sequence = (...parts: readonly Uint8Array[]): Uint8Array => der(tags.sequence, ...parts);

export function oid(text: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number), bytes: number[] = [];
  for (const number of [first * 40 + second, ...rest]) {
    const groups = [number & 0x7f];
    for (let left = Math.floor(number / 128); left > 0; left = Math.floor(left / 128)) {
      groups.unshift(0x80 | left & 0x7f);
    }
    bytes.push(...groups);
  }
  return der(tags.oid, Uint8Array.from(bytes));
}

/** A positive integer, big-endian. */
export function integer(bytes: Uint8Array): Uint8Array {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0) from += 1;
  const digits = bytes.subarray(from);
  return (digits[0] ?? 0) >= 0x80 ? der(tags.integer, Uint8Array.of(0), digits) : der(tags.integer, digits);
}

export const bits = (bytes: Uint8Array, unused = 0): Uint8Array =>
  der(tags.bits, Uint8Array.of(unused), bytes);

/** Whole seconds; years that two digits can't tell are written with four. Source: RFC 5280, 4.1.2.5. */
export function time(ms: number): Uint8Array {
  const digits = new Date(Math.floor(ms / 1000) * 1000).toISOString().replace(/[-:T]|\.000/g, '');
  const year = Number(digits.slice(0, 4));
  return year >= 1950 && year < 2050 ? der(tags.utcTime, utf8ToBytes(digits.slice(2)))
    : der(tags.generalTime, utf8ToBytes(digits));
}

/** In the smallest alphabet that has it. */
export function text(value: string): Uint8Array {
  return der(/^[A-Za-z0-9 '()+,\-./:=?]*$/.test(value) ? tags.printable : tags.utf8, utf8ToBytes(value));
}
