// The values of CEL: what an expression works on, how JSON becomes one, and when two are equal.
//
// int is a bigint (64 bits, checked by whoever makes one), double a number, uint a class of its own, string
// a string that is counted in code points. JSON's lists and objects are not copied: an item turns into a
// value when it is asked for. What always holds: a value never changes; a Fault is an error that travels as
// a value, so that `||` and `&&` can do without it; nothing here throws.
// Source of facts: cel-spec langdef.md (values, equality), cel-go common/types.

import { unreachable } from '../../assert.ts';
import type { CelType } from './types.ts';

export class Uint {
  readonly value: bigint;
  constructor(value: bigint) { this.value = value; }
}

/** Nanoseconds since 1970, UTC; years 1 to 9999. */
export class Timestamp {
  readonly nanos: bigint;
  constructor(nanos: bigint) { this.nanos = nanos; }
}

export class Duration {
  readonly nanos: bigint;
  constructor(nanos: bigint) { this.nanos = nanos; }
}

/** What `type(x)` gives. */
export class TypeValue {
  readonly name: string;
  constructor(name: string) { this.name = name; }
}

export class Optional {
  /** Undefined: none. */
  readonly value: Value | undefined;
  constructor(value: Value | undefined) { this.value = value; }
}

/** A value that only functions look into; `text` tells two of the same type apart. */
export class Opaque {
  readonly type: string;
  readonly data: unknown;
  readonly text: string;
  constructor(type: string, data: unknown, text: string) {
    this.type = type;
    this.data = data;
    this.text = text;
  }
}

type Adapt = (item: unknown) => Value;

export class List {
  readonly #items: readonly unknown[];
  readonly #adapt: Adapt | null;
  /** Without `adapt`, the items are values already. */
  constructor(items: readonly unknown[], adapt: Adapt | null = null) {
    this.#items = items;
    this.#adapt = adapt;
  }

  get size(): number { return this.#items.length; }

  /** For an index from 0 to size - 1. */
  at(index: number): Value {
    const item = this.#items[index];
    return this.#adapt === null ? item as Value : this.#adapt(item);
  }

  all(): readonly Value[] {
    return this.#adapt === null ? this.#items as readonly Value[] : this.#items.map(this.#adapt);
  }
}

/** A map or an object. Keys keep the order in which they came; 1, 1u and 1.0 are the same key. */
export abstract class CelMap {
  /** Empty for a map, the type's name for an object. */
  readonly type: string;
  constructor(type: string) { this.type = type; }
  abstract get size(): number;
  abstract get(key: Value): Value | undefined;
  abstract keys(): readonly Value[];
}

export class BuiltMap extends CelMap {
  readonly #entries: ReadonlyMap<string, readonly [Value, Value]>;
  constructor(entries: ReadonlyMap<string, readonly [Value, Value]>, type = '') {
    super(type);
    this.#entries = entries;
  }

  get size(): number { return this.#entries.size; }
  get(key: Value): Value | undefined { return this.#entries.get(keyText(key) ?? '')?.[1]; }
  keys(): readonly Value[] { return [...this.#entries.values()].map(([key]) => key); }
  entries(): ReadonlyMap<string, readonly [Value, Value]> { return this.#entries; }
}

export type JsonFields = Readonly<Record<string, unknown>>;

export class JsonMap extends CelMap {
  readonly #fields: JsonFields;
  readonly #adapt: (item: unknown, field: string) => Value;
  #keys: readonly string[] | null = null;
  constructor(fields: JsonFields, adapt: (item: unknown, field: string) => Value, type = '') {
    super(type);
    this.#fields = fields;
    this.#adapt = adapt;
  }

  get size(): number { return this.#names().length; }
  get(key: Value): Value | undefined {
    if (typeof key !== 'string' || !Object.hasOwn(this.#fields, key)) return undefined;
    const item = this.#fields[key];
    return item === undefined ? undefined : this.#adapt(item, key);
  }

  keys(): readonly Value[] { return this.#names(); }

  /** Sorted: an object of JSON has no order of its own. */
  #names(): readonly string[] {
    this.#keys ??= Object.keys(this.#fields).filter((name) => this.#fields[name] !== undefined).sort();
    return this.#keys;
  }
}

export type Value = bigint | number | string | boolean | null | Uint8Array | Uint | Timestamp | Duration
  | TypeValue | Optional | Opaque | List | CelMap;

/** An error as a value. */
export class Fault {
  readonly message: string;
  constructor(message: string) { this.message = message; }
}

export const isFault = (value: unknown): value is Fault => value instanceof Fault;

export const noSuchOverload = new Fault('no such overload');

// ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────

export const intMin = -(2n ** 63n), intMax = 2n ** 63n - 1n, uintMax = 2n ** 64n - 1n;

export const isInt = (value: bigint): boolean => value >= intMin && value <= intMax;
export const isUint = (value: bigint): boolean => value >= 0n && value <= uintMax;

/** -1, 0 or 1; null where there is no order (NaN). Exact also between int and double. */
export function compareNumbers(a: bigint | number, b: bigint | number): number | null {
  if (Number.isNaN(a) || Number.isNaN(b)) return null;
  return a < b ? -1 : a > b ? 1 : 0;
}

export function numberOf(value: Value): bigint | number | null {
  return typeof value === 'bigint' || typeof value === 'number' ? value
    : value instanceof Uint ? value.value : null;
}

// ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * JSON as a value without a schema: whole numbers that a double holds exactly are ints, as Kubernetes reads
 * them where they are written without a point.
 */
export function fromJson(json: unknown): Value {
  if (json === null || json === undefined) return null;
  switch (typeof json) {
    case 'number': return Number.isSafeInteger(json) ? BigInt(json) : json;
    case 'string': case 'boolean': case 'bigint': return json;
    default:
      return Array.isArray(json) ? new List(json, fromJson) : new JsonMap(json as JsonFields, fromJson);
  }
}

/** The JSON of a value; a Fault for what has none. `depth` bounds how deep it may go. */
export function toJson(value: Value, depth = 100): unknown {
  if (depth === 0) return new Fault('the value is nested too deep');
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : new Fault('not a number of JSON');
  const number = numberOf(value);
  if (number !== null) return Number(number);
  if (value instanceof List) return jsonList(value, depth);
  if (value instanceof CelMap) return jsonMap(value, depth);
  if (value instanceof Opaque) return value.text;
  return new Fault(`unsupported conversion to JSON: ${typeName(value)}`);
}

function jsonList(list: List, depth: number): unknown {
  const out: unknown[] = [];
  for (const item of list.all()) {
    const json = toJson(item, depth - 1);
    if (isFault(json)) return json;
    out.push(json);
  }
  return out;
}

function jsonMap(map: CelMap, depth: number): unknown {
  const out: [string, unknown][] = [];
  for (const key of map.keys()) {
    if (typeof key !== 'string') return new Fault(`unsupported key of JSON: ${typeName(key)}`);
    const json = toJson(map.get(key) ?? null, depth - 1);
    if (isFault(json)) return json;
    out.push([key, json]);
  }
  return Object.fromEntries(out);
}

// ── kinds ────────────────────────────────────────────────────────────────────────────────────────────────

export type ValueKind = Exclude<CelType['kind'], 'dyn' | 'error' | 'param' | 'free'>;

export function kindOf(value: Value): ValueKind {
  switch (typeof value) {
    case 'bigint': return 'int';
    case 'number': return 'double';
    case 'string': return 'string';
    case 'boolean': return 'bool';
    default: break;
  }
  if (value === null) return 'null';
  if (value instanceof List) return 'list';
  if (value instanceof CelMap) return value.type === '' ? 'map' : 'object';
  if (value instanceof Uint) return 'uint';
  if (value instanceof Uint8Array) return 'bytes';
  if (value instanceof Timestamp) return 'timestamp';
  if (value instanceof Duration) return 'duration';
  if (value instanceof TypeValue) return 'type';
  return value instanceof Optional ? 'optional' : 'opaque';
}

/** The name of a value's type, as `type(x)` gives it and messages show it. */
export function typeName(value: Value): string {
  const kind = kindOf(value);
  switch (kind) {
    case 'null': return 'null_type';
    case 'timestamp': return 'google.protobuf.Timestamp';
    case 'duration': return 'google.protobuf.Duration';
    case 'optional': return 'optional_type';
    case 'object': return (value as CelMap).type;
    case 'opaque': return (value as Opaque).type;
    case 'bool': case 'int': case 'uint': case 'double': case 'string': case 'bytes': case 'list':
    case 'map': case 'type':
      return kind;
    default: return unreachable(kind);
  }
}

/** What a map finds a key by; null for what can't be a key. */
export function keyText(key: Value): string | null {
  if (typeof key === 'string') return `s${key}`;
  if (typeof key === 'boolean') return `b${key}`;
  const number = numberOf(key);
  if (number === null || (typeof number === 'number' && !Number.isInteger(number))) return null;
  return `n${BigInt(number)}`;
}

// ── equality ─────────────────────────────────────────────────────────────────────────────────────────────

/** Counts what is done; nothing that walks through data goes on when `spend` says no. */
export interface Work { readonly spend: (steps: number) => boolean }

/** Values of different types are not equal, but numbers are by what they count. */
export function equal(a: Value, b: Value, work: Work): boolean {
  if (!work.spend(1)) return false;
  if (typeof a === 'string' || typeof a === 'boolean' || a === null) return a === b;
  const left = numberOf(a);
  if (left !== null) {
    const right = numberOf(b);
    return right !== null && compareNumbers(left, right) === 0;
  }
  if (a instanceof List) return b instanceof List && equalLists(a, b, work);
  if (a instanceof CelMap) return b instanceof CelMap && equalMaps(a, b, work);
  if (a instanceof Uint8Array) return b instanceof Uint8Array && compareBytes(a, b) === 0;
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanos === b.nanos;
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos;
  if (a instanceof TypeValue) return b instanceof TypeValue && a.name === b.name;
  if (a instanceof Optional) {
    if (!(b instanceof Optional)) return false;
    return a.value === undefined || b.value === undefined ? a.value === b.value
      : equal(a.value, b.value, work);
  }
  return a instanceof Opaque && b instanceof Opaque && a.type === b.type && a.text === b.text;
}

function equalLists(a: List, b: List, work: Work): boolean {
  if (a.size !== b.size) return false;
  for (let at = 0; at < a.size; at++) if (!equal(a.at(at), b.at(at), work)) return false;
  return true;
}

function equalMaps(a: CelMap, b: CelMap, work: Work): boolean {
  if (a.size !== b.size) return false;
  for (const key of a.keys()) {
    const left = a.get(key), right = b.get(key);
    if (left === undefined || right === undefined || !equal(left, right, work)) return false;
  }
  return true;
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let at = 0; at < shared; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return Math.sign(a.length - b.length);
}

// ── text ─────────────────────────────────────────────────────────────────────────────────────────────────

const surrogate = /[\ud800-\udfff]/;

/** How many code points. */
export function textSize(text: string): number {
  if (!surrogate.test(text)) return text.length;
  let size = 0;
  for (const _ of text) size += 1;
  return size;
}

/** One string per code point. */
export const codePoints = (text: string): readonly string[] => surrogate.test(text) ? [...text]
  : text.split('');

/** -1, 0 or 1 by code point, which is also the order of UTF-8's bytes. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  if (!surrogate.test(a) && !surrogate.test(b)) return a < b ? -1 : 1;
  const left = [...a], right = [...b];
  for (let at = 0; at < Math.min(left.length, right.length); at++) {
    const difference = (left[at]?.codePointAt(0) ?? 0) - (right[at]?.codePointAt(0) ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return Math.sign(left.length - right.length);
}
