// Times and durations: reading, writing, adding, and the parts of a date.
//
// Time zones are UTC and fixed offsets (`+02:00`); zones by name need a table of history that the core does
// not carry, and are refused by name. Source of facts: cel-spec langdef.md (timestamps, durations), cel-go
// common/types (ranges, texts), Go's time.ParseDuration and RFC 3339.
// What always holds: a Timestamp lies in the years 1 to 9999, a Duration in 64 bits of nanoseconds.

import { global, method } from './functions.ts';
import type { Overload } from './functions.ts';
import { compareNumbers, Duration, Fault, isInt, Timestamp } from './values.ts';
import type { Value } from './values.ts';

const second = 1_000_000_000n;
const firstSecond = -62_135_596_800n, lastSecond = 253_402_300_799n;

const overflowTime = new Fault('timestamp overflow'), overflowDuration = new Fault('integer overflow');

const floorDivide = (a: bigint, b: bigint): bigint => a >= 0n || a % b === 0n ? a / b : a / b - 1n;

export function timestamp(nanos: bigint): Timestamp | Fault {
  const seconds = floorDivide(nanos, second);
  return seconds < firstSecond || seconds > lastSecond ? overflowTime : new Timestamp(nanos);
}

export const duration = (nanos: bigint): Duration | Fault =>
  isInt(nanos) ? new Duration(nanos) : overflowDuration;

// ── texts ────────────────────────────────────────────────────────────────────────────────────────────────

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,40}))?(Z|([+-])(\d\d):(\d\d))$/;

/** RFC 3339; null for what is none, or lies outside of the years that there are. */
export function parseTimestamp(text: string): Timestamp | null {
  const found = rfc3339.exec(text);
  if (found === null) return null;
  const [, year, month, day, hour, minute, seconds, fraction = '', , sign, offHours, offMinutes] = found;
  const [y, mo, d, h, mi, s] = [year, month, day, hour, minute, seconds].map(Number) as
    [number, number, number, number, number, number];
  const daysInMonth = mo === 2 ? (y % 4 === 0 && (y % 100 !== 0 || y % 400 === 0) ? 29 : 28)
    : [4, 6, 9, 11].includes(mo) ? 30 : 31;
  if (mo < 1 || mo > 12 || d < 1 || d > daysInMonth || h > 23 || mi > 59 || s > 59) return null;
  const oh = Number(offHours ?? 0), om = Number(offMinutes ?? 0);
  if (oh > 24 || om > 59) return null;
  const date = new Date(0);
  date.setUTCFullYear(y, mo - 1, d);
  date.setUTCHours(h, mi, s);
  const offset = BigInt((oh * 60 + om) * 60 * (sign === '-' ? -1 : 1));
  const nanos = (BigInt(date.getTime()) / 1000n - offset) * second
    + BigInt(fraction.padEnd(9, '0').slice(0, 9));
  const found2 = timestamp(nanos);
  return found2 instanceof Fault ? null : found2;
}

export function timestampText({ nanos }: Timestamp): string {
  const seconds = floorDivide(nanos, second), rest = nanos - seconds * second;
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return `${whole}${fractionText(rest)}Z`;
}

const fractionText = (nanos: bigint): string => nanos === 0n ? ''
  : `.${nanos.toString().padStart(9, '0').replace(/0+$/, '')}`;

const units: Readonly<Record<string, bigint>> = {
  ns: 1n, us: 1000n, µs: 1000n, μs: 1000n, ms: 1_000_000n, s: second, m: 60n * second, h: 3600n * second,
};

/** Go's form: `1h30m`, `-1.5s`, `0`; null for what is none. */
export function parseDuration(text: string): Duration | null {
  const sign = /^[+-]/.exec(text)?.[0] ?? '', body = text.slice(sign.length);
  if (body === '0') return new Duration(0n);
  if (body === '' || text.length > 200) return null;
  const part = /(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/y;
  let nanos = 0n;
  while (part.lastIndex < body.length) {
    const found = part.exec(body);
    if (found === null) return null;
    const [, whole = '', fraction = '', unit = ''] = found;
    if (whole === '' && fraction === '') return null;
    const scale = units[unit] ?? 1n;
    nanos += BigInt(whole || '0') * scale;
    nanos += BigInt(fraction || '0') * scale / 10n ** BigInt(fraction.length);
  }
  const signed = sign === '-' ? -nanos : nanos;
  return isInt(signed) ? new Duration(signed) : null;
}

/** In seconds: `5400s`, `0.5s`. */
export function durationText({ nanos }: Duration): string {
  const size = nanos < 0n ? -nanos : nanos;
  return `${nanos < 0n ? '-' : ''}${size / second}${fractionText(size % second)}s`;
}

// ── parts ────────────────────────────────────────────────────────────────────────────────────────────────

/** Seconds east of UTC; a Fault for a zone that is not known. */
function zoneSeconds(zone: string): number | Fault {
  if (zone === 'UTC' || zone === '' || zone === 'Z') return 0;
  const found = /^([+-]?)(\d{2}):(\d{2})$/.exec(zone);
  if (found === null) return new Fault(`unknown time zone ${zone}`);
  const [, sign, hours, minutes] = found;
  return (Number(hours) * 60 + Number(minutes)) * 60 * (sign === '-' ? -1 : 1);
}

type Part = (date: Date, millis: number) => number;

function part(of: Part): (time: Timestamp, zone?: unknown) => Value | Fault {
  return ({ nanos }, zone) => {
    const offset = typeof zone === 'string' ? zoneSeconds(zone) : 0;
    if (offset instanceof Fault) return offset;
    const seconds = floorDivide(nanos, second), millis = Number((nanos - seconds * second) / 1_000_000n);
    return BigInt(of(new Date((Number(seconds) + offset) * 1000), millis));
  };
}

function dayOfYear(date: Date): number {
  const first = new Date(0);
  first.setUTCFullYear(date.getUTCFullYear(), 0, 1);
  return Math.floor((date.getTime() - first.getTime()) / 86_400_000);
}

const parts: Readonly<Record<string, Part>> = {
  getFullYear: (date) => date.getUTCFullYear(),
  getMonth: (date) => date.getUTCMonth(),
  getDayOfYear: dayOfYear,
  getDayOfMonth: (date) => date.getUTCDate() - 1,
  getDate: (date) => date.getUTCDate(),
  getDayOfWeek: (date) => date.getUTCDay(),
  getHours: (date) => date.getUTCHours(),
  getMinutes: (date) => date.getUTCMinutes(),
  getSeconds: (date) => date.getUTCSeconds(),
  getMilliseconds: (_, millis) => millis,
};

const inUnit = (unit: bigint) => ({ nanos }: Duration): bigint => nanos / unit;

const order = (holds: (sign: number) => boolean) => (a: { nanos: bigint }, b: { nanos: bigint }): boolean =>
  holds(compareNumbers(a.nanos, b.nanos) ?? 0);

export const timeFunctions: readonly Overload[] = [
  ...Object.entries(parts).flatMap(([name, of]) => [
    method(`timestamp.${name}() int`, part(of)), method(`timestamp.${name}(string) int`, part(of)),
  ]),
  method('duration.getHours() int', inUnit(3600n * second)),
  method('duration.getMinutes() int', inUnit(60n * second)),
  method('duration.getSeconds() int', inUnit(second)),
  method('duration.getMilliseconds() int', ({ nanos }: Duration) => nanos / 1_000_000n),
  global('_+_(timestamp, duration) timestamp', (a: Timestamp, b: Duration) => timestamp(a.nanos + b.nanos)),
  global('_+_(duration, timestamp) timestamp', (a: Duration, b: Timestamp) => timestamp(a.nanos + b.nanos)),
  global('_+_(duration, duration) duration', (a: Duration, b: Duration) => duration(a.nanos + b.nanos)),
  global('_-_(timestamp, timestamp) duration', (a: Timestamp, b: Timestamp) => duration(a.nanos - b.nanos)),
  global('_-_(timestamp, duration) timestamp', (a: Timestamp, b: Duration) => timestamp(a.nanos - b.nanos)),
  global('_-_(duration, duration) duration', (a: Duration, b: Duration) => duration(a.nanos - b.nanos)),
  ...(['timestamp', 'duration'] as const).flatMap((kind) => ([
    ['_<_', (sign: number) => sign < 0], ['_<=_', (sign: number) => sign <= 0],
    ['_>_', (sign: number) => sign > 0], ['_>=_', (sign: number) => sign >= 0],
  ] as const).map(([name, holds]) => global(`${name}(${kind}, ${kind}) bool`, order(holds)))),
];
