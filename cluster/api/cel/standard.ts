// CEL's own functions and operators: arithmetic, order, conversion, size, text tests.
//
// Source of facts: cel-spec langdef.md (standard definitions), cel-go common/stdlib and common/types for what
// errors say, and for what is charged interpreter/runtimecost.go.
// What always holds: ints and uints are checked for overflow; nothing is rounded in silence.

import { global, method, ofBoth, ofPattern, ofProduct, ofShorter, traversal } from './functions.ts';
import type { Overload } from './functions.ts';
import { patternFor, patternWork } from './pattern.ts';
import {
  duration, durationText, parseDuration, parseTimestamp, timestamp, timestampText,
} from './time.ts';
import {
  compareBytes, compareNumbers, compareText, Duration, equal, Fault, isFault, isInt, isUint, List, numberOf,
  textSize, Timestamp, typeName, TypeValue, Uint,
} from './values.ts';
import type { CelMap, Value, Work } from './values.ts';

const overflow = new Fault('integer overflow'), uintOverflow = new Fault('unsigned integer overflow');

const int = (value: bigint): Value | Fault => isInt(value) ? value : overflow;
const uint = (value: bigint): Value | Fault => isUint(value) ? new Uint(value) : uintOverflow;

const division = new Fault('division by zero'), modulus = new Fault('modulus by zero');

const arithmetic: readonly Overload[] = [
  global('_+_(int, int) int', (a: bigint, b: bigint) => int(a + b)),
  global('_+_(uint, uint) uint', (a: Uint, b: Uint) => uint(a.value + b.value)),
  global('_+_(double, double) double', (a: number, b: number) => a + b),
  global('_+_(string, string) string', joined, ofBoth),
  global('_+_(bytes, bytes) bytes', (a: Uint8Array, b: Uint8Array, work: Work) =>
    work.spend((a.length + b.length) / 64) ? bytesJoined(a, b) : division, ofBoth),
  global('_+_(list(A), list(A)) list(A)', (a: List, b: List, work: Work) =>
    work.spend(a.size + b.size) ? new List([...a.all(), ...b.all()]) : division, ofBoth),
  global('_-_(int, int) int', (a: bigint, b: bigint) => int(a - b)),
  global('_-_(uint, uint) uint', (a: Uint, b: Uint) => uint(a.value - b.value)),
  global('_-_(double, double) double', (a: number, b: number) => a - b),
  global('_*_(int, int) int', (a: bigint, b: bigint) => int(a * b)),
  global('_*_(uint, uint) uint', (a: Uint, b: Uint) => uint(a.value * b.value)),
  global('_*_(double, double) double', (a: number, b: number) => a * b),
  global('_/_(int, int) int', (a: bigint, b: bigint) => b === 0n ? division : int(a / b)),
  global('_/_(uint, uint) uint', (a: Uint, b: Uint) => b.value === 0n ? division : uint(a.value / b.value)),
  global('_/_(double, double) double', (a: number, b: number) => a / b),
  global('_%_(int, int) int', (a: bigint, b: bigint) => b === 0n ? modulus : int(a % b)),
  global('_%_(uint, uint) uint', (a: Uint, b: Uint) => b.value === 0n ? modulus : uint(a.value % b.value)),
  global('-_(int) int', (a: bigint) => int(-a)),
  global('-_(double) double', (a: number) => -a),
  global('!_(bool) bool', (a: boolean) => !a),
];

/** A rope would be faster; a text that grows is charged for what it has become. */
function joined(a: string, b: string, work: Work): Value | Fault {
  return work.spend((a.length + b.length) / 64) ? a + b : division;
}

// ── order and equality ───────────────────────────────────────────────────────────────────────────────────

const numeric = ['int', 'uint', 'double'] as const;
const relations: readonly (readonly [string, (sign: number) => boolean])[] = [
  ['_<_', (sign) => sign < 0], ['_<=_', (sign) => sign <= 0],
  ['_>_', (sign) => sign > 0], ['_>=_', (sign) => sign >= 0],
];

const order: readonly Overload[] = relations.flatMap(([name, holds]) => [
  ...numeric.flatMap((left) => numeric.map((right) => global(`${name}(${left}, ${right}) bool`,
    (a: Value, b: Value) => {
      const sign = compareNumbers(numberOf(a) ?? 0, numberOf(b) ?? 0);
      return sign === null ? new Fault('NaN values cannot be ordered') : holds(sign);
    }))),
  global(`${name}(string, string) bool`, (a: string, b: string) => holds(compareText(a, b)), ofShorter),
  global(`${name}(bytes, bytes) bool`, (a: Uint8Array, b: Uint8Array) =>
    holds(compareBytes(a, b)), ofShorter),
  global(`${name}(bool, bool) bool`, (a: boolean, b: boolean) => holds(Number(a) - Number(b))),
]);

const equality: readonly Overload[] = [
  global('_==_(A, A) bool', (a: Value, b: Value, work: Work) => equal(a, b, work), ofShorter),
  global('_!=_(A, A) bool', (a: Value, b: Value, work: Work) => !equal(a, b, work), ofShorter),
  global('@in(A, list(A)) bool', (item: Value, list: List, work: Work) => {
    for (let at = 0; at < list.size; at++) if (equal(item, list.at(at), work)) return true;
    return false;
  }, ([, list]) => Math.ceil((list as List).size * 0.1)),
  global('@in(A, map(A, B)) bool', (key: Value, map: CelMap) => map.get(key) !== undefined),
];

// ── conversion ───────────────────────────────────────────────────────────────────────────────────────────

const conversion = (from: Value, to: string): Fault =>
  new Fault(`type conversion error from '${typeName(from)}' to '${to}'`);

function intOf(value: Value): Value | Fault {
  if (typeof value === 'bigint') return value;
  if (value instanceof Uint) return int(value.value);
  if (value instanceof Timestamp) {
    const { nanos } = value;
    return nanos / 1_000_000_000n - (nanos < 0n && nanos % 1_000_000_000n !== 0n ? 1n : 0n);
  }
  if (value instanceof Duration) return value.nanos;
  if (typeof value === 'number') {
    return Number.isFinite(value) && value > -(2 ** 63) && value < 2 ** 63 ? BigInt(Math.trunc(value))
      : overflow;
  }
  const fits = typeof value === 'string' && /^[+-]?\d{1,19}$/.test(value);
  const read = fits ? BigInt(value.replace(/^\+/, '')) : 2n ** 63n;
  return isInt(read) ? read : conversion(value, 'int');
}

function uintOf(value: Value): Value | Fault {
  if (value instanceof Uint) return value;
  if (typeof value === 'bigint') return uint(value);
  if (typeof value === 'number') {
    return value >= 0 && value < 2 ** 64 ? new Uint(BigInt(Math.trunc(value))) : uintOverflow;
  }
  const read = typeof value === 'string' && /^\d{1,20}$/.test(value) ? BigInt(value) : 2n ** 64n;
  return isUint(read) ? new Uint(read) : conversion(value, 'uint');
}

function doubleOf(value: Value): Value | Fault {
  const number = numberOf(value);
  if (number !== null) return Number(number);
  const text = String(value);
  if (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return Number(text);
  if (/^[+-]?(inf|infinity)$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  return /^nan$/i.test(text) ? NaN : conversion(value, 'double');
}

/** As Go's %g with the fewest digits: 123456, 1e+06, 0.0001, 1e-05. */
export function doubleText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
  if (Object.is(value, -0)) return '-0';
  const [digits = '', power = '0'] = value.toExponential().split('e'), exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return exponent < 0 ? fixed(value) : String(value);
  return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

function fixed(value: number): string {
  const text = String(value);
  if (!text.includes('e')) return text;
  const [digits = '', power = '0'] = text.split('e');
  return value.toFixed(Math.min(100, digits.replace(/\D/g, '').length - 1 - Number(power)));
}

function stringOf(value: Value): Value | Fault {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return doubleText(value);
  if (value instanceof Uint8Array) {
    // A decoder that refuses what is no UTF-8 would throw; the replacement shows the same.
    const text = new TextDecoder().decode(value);
    return text.includes('\ufffd') ? new Fault('invalid UTF-8 in bytes, cannot convert to string') : text;
  }
  if (value instanceof Timestamp) return timestampText(value);
  if (value instanceof Duration) return durationText(value);
  return String(numberOf(value) ?? value);
}

function boolOf(text: string): Value | Fault {
  if (['true', 'True', 'TRUE', 't', 'T', '1'].includes(text)) return true;
  return ['false', 'False', 'FALSE', 'f', 'F', '0'].includes(text) ? false : conversion(text, 'bool');
}

const conversions: readonly Overload[] = [
  ...['int', 'uint', 'double', 'string', 'timestamp', 'duration'].map(
    (from) => global(`int(${from}) int`, intOf)),
  ...['int', 'uint', 'double', 'string'].map((from) => global(`uint(${from}) uint`, uintOf)),
  ...['int', 'uint', 'double', 'string'].map((from) => global(`double(${from}) double`, doubleOf)),
  ...['string', 'int', 'uint', 'double', 'bool', 'timestamp', 'duration'].map((from) =>
    global(`string(${from}) string`, stringOf)),
  global('string(bytes) string', stringOf, traversal()),
  global('bytes(string) bytes', (text: string) => new TextEncoder().encode(text), traversal()),
  global('bytes(bytes) bytes', (bytes: Uint8Array) => bytes),
  global('bool(bool) bool', (value: boolean) => value), global('bool(string) bool', boolOf),
  global('timestamp(string) timestamp', (text: string) =>
    parseTimestamp(text) ?? conversion(text, 'google.protobuf.Timestamp')),
  global('timestamp(int) timestamp', (seconds: bigint) => timestamp(seconds * 1_000_000_000n)),
  global('timestamp(timestamp) timestamp', (time: Timestamp) => time),
  global('duration(string) duration', (text: string) =>
    parseDuration(text) ?? conversion(text, 'google.protobuf.Duration')),
  global('duration(int) duration', (nanos: bigint) => duration(nanos)),
  global('duration(duration) duration', (span: Duration) => span),
  global('dyn(A) dyn', (value: Value) => value),
  global('type(A) type(A)', (value: Value) => new TypeValue(typeName(value))),
];

// ── size and texts ───────────────────────────────────────────────────────────────────────────────────────

const sizes: readonly (readonly [string, (value: never) => bigint])[] = [
  ['string', (text: string) => BigInt(textSize(text))],
  ['bytes', (bytes: Uint8Array) => BigInt(bytes.length)],
  ['list(A)', (list: List) => BigInt(list.size)],
  ['map(A, B)', (map: CelMap) => BigInt(map.size)],
];

export function matches(text: string, pattern: string, work: Work): Value | Fault {
  const compiled = patternFor(pattern, work);
  if (isFault(compiled)) return compiled;
  return work.spend(patternWork(compiled, text)) && compiled.test(text);
}

export const standardFunctions: readonly Overload[] = [
  ...arithmetic, ...order, ...equality, ...conversions,
  ...sizes.flatMap(([of, body]) => [global(`size(${of}) int`, body), method(`${of}.size() int`, body)]),
  method('string.startsWith(string) bool', (text: string, start: string) =>
    text.startsWith(start), traversal()),
  method('string.endsWith(string) bool', (text: string, end: string) => text.endsWith(end), traversal()),
  method('string.contains(string) bool', (text: string, part: string) => text.includes(part), ofProduct),
  method('string.matches(string) bool', matches, ofPattern),
  global('matches(string, string) bool', matches, ofPattern),
];


function bytesJoined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}
