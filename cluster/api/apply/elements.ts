// Path elements: one step from an object to a part of it, as the text that fieldsV1 uses for it. `f:name` is
// a field, `k:{"name":"web"}` the item of a list that has these keys, `v:"a"` an item of a set, `i:0` a
// place.
//
// What always holds: one step has one text (keys sorted, JSON as Go writes it), so steps are equal where
// their texts are; and texts have one order, which is that of Kubernetes' own.
// Source: Kubernetes, "Server-Side Apply", and the FieldsV1 format of structured-merge-diff, by what it does.

import { limits } from '../../limits.ts';
import type { Json, JsonObject } from '../body.ts';

export type Scalar = null | boolean | number | string;

export const fieldElement = (name: string): string => `f:${name}`;
export const valueElement = (value: Scalar): string => `v:${goJson(value)}`;

/** `keys`: names with their values; they are put in order here. */
export function keyElement(keys: readonly (readonly [string, Scalar])[]): string {
  const sorted = keys.length < 2 ? keys : [...keys].sort(([a], [b]) => compareText(a, b));
  return `k:{${sorted.map(([name, value]) => `${goJson(name)}:${goJson(value)}`).join(',')}}`;
}

/** JSON as Go's encoder writes it: what HTML could take for markup is escaped. */
export function goJson(value: Scalar): string {
  const text = JSON.stringify(value);
  return typeof value === 'string' && /[<>&\u2028\u2029]/.test(value)
    ? text.replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`) : text;
}

/** The same step in its one text; null for what a later version may know; undefined for what is malformed. */
export function normalElement(text: string): string | null | undefined {
  if (text.charCodeAt(1) !== 0x3a) return undefined;
  if (text.charCodeAt(0) === 0x66) return text;
  if (known.has(text)) return known.get(text);
  const normal = normalOf(text);
  if (known.size >= limits.elementsKnownMax) known.clear();
  known.set(text, normal);
  return normal;
}

/** The same few keys and values come again and again, and reading them takes longer than all else. */
const known = new Map<string, string | null | undefined>();

function normalOf(text: string): string | null | undefined {
  switch (text.charAt(0)) {
    case 'i': return /^i:-?\d{1,15}$/.test(text) ? `i:${Number(text.slice(2))}` : undefined;
    case 'v': {
      const value = parsed(text);
      return isScalar(value) ? valueElement(value) : undefined;
    }
    case 'k': {
      const keys = keysOf(text);
      return keys === null ? undefined : keyElement(keys);
    }
    default: return null;
  }
}

export const isScalar = (value: Json | undefined): value is Scalar =>
  value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text.slice(2)) as Json;
  } catch {
    return undefined;
  }
}

/** Names and values of a `k:` element; null where it is none. */
function keysOf(text: string): (readonly [string, Scalar])[] | null {
  const value = parsed(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const keys: (readonly [string, Scalar])[] = [];
  for (const [name, each] of Object.entries(value as JsonObject)) {
    if (!isScalar(each)) return null;
    keys.push([name, each]);
  }
  return keys;
}

// ── order ────────────────────────────────────────────────────────────────────────────────────────────────

const ranks = 'fkvi';

/** Fields before keys before values before places; each kind by its content, numbers as numbers. */
export function compareElements(a: string, b: string): number {
  if (a === b) return 0;
  if (a.charCodeAt(0) === 0x66 && b.charCodeAt(0) === 0x66) return compareText(a, b);
  const kind = a.charAt(0), other = b.charAt(0);
  if (kind !== other) return ranks.indexOf(kind) - ranks.indexOf(other);
  switch (kind) {
    case 'i': return Number(a.slice(2)) - Number(b.slice(2));
    case 'v': return compareScalars(scalarOf(a), scalarOf(b));
    default: return compareKeys(keysOf(a) ?? [], keysOf(b) ?? []);
  }
}

function scalarOf(text: string): Scalar {
  const value = parsed(text);
  return isScalar(value) ? value : null;
}

type Keys = readonly (readonly [string, Scalar])[];

function compareKeys(a: Keys, b: Keys): number {
  for (let at = 0; at < a.length && at < b.length; at++) {
    const [name, value] = a[at] ?? ['', null], [otherName, otherValue] = b[at] ?? ['', null];
    const order = compareText(name, otherName) || compareScalars(value, otherValue);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** Numbers before strings before booleans before null. */
function compareScalars(a: Scalar, b: Scalar): number {
  const rank = rankOf(a) - rankOf(b);
  if (rank !== 0 || a === null || b === null) return rank;
  if (typeof a === 'string') return compareText(a, b as string);
  return Number(a) - Number(b);
}

function rankOf(value: Scalar): number {
  switch (typeof value) {
    case 'number': return 0;
    case 'string': return 1;
    case 'boolean': return 2;
    default: return 3;
  }
}

/** By code points, as Go compares strings; UTF-16 units differ from it where there are surrogates. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const end = Math.min(a.length, b.length);
  for (let at = 0; at < end; at++) {
    const x = a.charCodeAt(at), y = b.charCodeAt(at);
    if (x === y) continue;
    const high = isSurrogate(x), otherHigh = isSurrogate(y);
    return high === otherHigh ? x - y : high ? 1 : -1;
  }
  return a.length - b.length;
}

/** Sorts the list itself, in that order. */
export function sortNames(names: string[]): readonly string[] {
  if (names.length < 2) return names;
  return names.some((name) => /[\ud800-\udfff]/.test(name)) ? names.sort(compareText) : names.sort();
}

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;

/** `.spec.ports[port=80,protocol="TCP"].targetPort`, as messages name a path. */
export function pathText(path: readonly string[]): string {
  return path.map((element) => {
    switch (element.charAt(0)) {
      case 'f': return `.${element.slice(2)}`;
      case 'v': return `[=${printed(scalarOf(element))}]`;
      case 'i': return `[${element.slice(2)}]`;
      default: {
        const keys = (keysOf(element) ?? []).map(([name, value]) => `${name}=${printed(value)}`);
        return `[${keys.join(',')}]`;
      }
    }
  }).join('');
}

const printed = (value: Scalar): string => JSON.stringify(value);
