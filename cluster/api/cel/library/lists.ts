// Lists and sets: isSorted, sum, min, max, indexOf, lastIndexOf; sets.contains, sets.equivalent,
// sets.intersects; and optional values.
//
// Source of facts: k8s.io/apiserver pkg/cel/library/lists.go, cel-go ext/sets.go and cel/library.go.

import { global, method, ofItems } from '../functions.ts';
import type { Cost, Overload } from '../functions.ts';
import {
  compareBytes, compareNumbers, compareText, Duration, equal, Fault, isFault, isInt, isUint, List, numberOf,
  Optional, Timestamp, Uint, CelMap,
} from '../values.ts';
import type { Value, Work } from '../values.ts';

const notComparable = new Fault('no such overload');

/** Negative, zero or positive; a Fault for what has no order. */
export function compareValues(a: Value, b: Value): number | Fault {
  const left = numberOf(a), right = numberOf(b);
  if (left !== null && right !== null) {
    return compareNumbers(left, right) ?? new Fault('NaN values cannot be ordered');
  }
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareBytes(a, b);
  const times = (a instanceof Timestamp && b instanceof Timestamp)
    || (a instanceof Duration && b instanceof Duration);
  return times ? compareNumbers((a as Duration).nanos, (b as Duration).nanos) ?? 0 : notComparable;
}

function isSorted(list: List): Value | Fault {
  for (let at = 1; at < list.size; at++) {
    const sign = compareValues(list.at(at - 1), list.at(at));
    if (isFault(sign)) return sign;
    if (sign > 0) return false;
  }
  return true;
}

const extreme = (name: string, wanted: number) => (list: List): Value | Fault => {
  if (list.size === 0) return new Fault(`${name} called on empty list`);
  let best = list.at(0);
  for (let at = 1; at < list.size; at++) {
    const sign = compareValues(list.at(at), best);
    if (isFault(sign)) return sign;
    if (sign * wanted > 0) best = list.at(at);
  }
  return best;
};

const sumFrom = (zero: Value) => (list: List): Value | Fault => {
  let total = zero;
  for (const [at, item] of list.all().entries()) {
    const next = added(at === 0 ? null : total, item);
    if (isFault(next)) return next;
    total = next;
  }
  return total;
};

function added(total: Value, item: Value): Value | Fault {
  if (total === null) return numberOf(item) === null && !(item instanceof Duration) ? notComparable : item;
  if (typeof total === 'bigint' && typeof item === 'bigint') {
    return isInt(total + item) ? total + item : new Fault('integer overflow');
  }
  if (total instanceof Uint && item instanceof Uint) {
    const sum = total.value + item.value;
    return isUint(sum) ? new Uint(sum) : new Fault('unsigned integer overflow');
  }
  if (typeof total === 'number' && typeof item === 'number') return total + item;
  if (total instanceof Duration && item instanceof Duration) {
    const sum = total.nanos + item.nanos;
    return isInt(sum) ? new Duration(sum) : new Fault('duration overflow');
  }
  return notComparable;
}

function position(list: List, item: Value, work: Work): Value {
  for (let at = 0; at < list.size; at++) if (equal(list.at(at), item, work)) return BigInt(at);
  return -1n;
}

function lastPosition(list: List, item: Value, work: Work): Value {
  for (let at = list.size - 1; at >= 0; at--) if (equal(list.at(at), item, work)) return BigInt(at);
  return -1n;
}

// ── sets ─────────────────────────────────────────────────────────────────────────────────────────────────

const has = (list: List, item: Value, work: Work): boolean => position(list, item, work) !== -1n;

const containsAll = (list: List, wanted: List, work: Work): boolean =>
  wanted.all().every((item) => has(list, item, work));

const ofSquare: Cost = ([a, b]) => (a as List).size * (b as List).size + 1;
const ofSquareTwice: Cost = ([a, b]) => (a as List).size * (b as List).size * 2 + 1;

// ── optionals ────────────────────────────────────────────────────────────────────────────────────────────

function isZero(value: Value): boolean {
  if (value === null || value === false || value === '') return true;
  const number = numberOf(value);
  if (number !== null) return Number(number) === 0;
  if (value instanceof List || value instanceof CelMap) return value.size === 0;
  if (value instanceof Uint8Array) return value.length === 0;
  if (value instanceof Duration) return value.nanos === 0n;
  return value instanceof Optional && value.value === undefined;
}

const none = new Optional(undefined);

function unwrapped(list: List): Value | Fault {
  const out: Value[] = [];
  for (const item of list.all()) {
    if (!(item instanceof Optional)) return notComparable;
    if (item.value !== undefined) out.push(item.value);
  }
  return new List(out);
}

const ordered = ['int', 'uint', 'double', 'bool', 'duration', 'timestamp', 'string', 'bytes'] as const;
const zeros: readonly (readonly [string, Value])[] = [
  ['int', 0n], ['uint', new Uint(0n)], ['double', 0], ['duration', new Duration(0n)],
];

export const listFunctions: readonly Overload[] = [
  ...ordered.flatMap((of) => [
    method(`list(${of}).isSorted() bool`, isSorted, ofItems),
    method(`list(${of}).min() ${of}`, extreme('min', -1), ofItems),
    method(`list(${of}).max() ${of}`, extreme('max', 1), ofItems),
  ]),
  ...zeros.map(([of, zero]) => method(`list(${of}).sum() ${of}`, sumFrom(zero), ofItems)),
  method('list(A).indexOf(A) int', position, ofItems),
  method('list(A).lastIndexOf(A) int', lastPosition, ofItems),
  global('sets.contains(list(A), list(A)) bool', containsAll, ofSquare),
  global('sets.equivalent(list(A), list(A)) bool', (a: List, b: List, work: Work) =>
    containsAll(a, b, work) && containsAll(b, a, work), ofSquareTwice),
  global('sets.intersects(list(A), list(A)) bool', (a: List, b: List, work: Work) =>
    b.all().some((item) => has(a, item, work)), ofSquare),
  global('optional.of(A) optional(A)', (value: Value) => new Optional(value)),
  global('optional.ofNonZeroValue(A) optional(A)', (value: Value) => isZero(value) ? none
    : new Optional(value)),
  global('optional.none() optional(A)', () => none),
  global('optional.unwrap(list(optional(A))) list(A)', unwrapped),
  method('list(optional(A)).unwrapOpt() list(A)', unwrapped),
  method('optional(A).hasValue() bool', ({ value }: Optional) => value !== undefined),
  method('optional(A).value() A', ({ value }: Optional) => value ?? (value === null ? null
    : new Fault('optional.none() dereference'))),
  method('optional(A).orValue(A) A', ({ value }: Optional, other: Value) => value === undefined ? other
    : value),
  method('optional(A).or(optional(A)) optional(A)', (a: Optional, b: Optional) => a.value === undefined ? b
    : a),
];
