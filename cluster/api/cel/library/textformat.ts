// `'%s has %d'.format([name, count])`: the clauses of cel-go's string formatting.
//
// Source of facts: cel-go ext/formatting.go (%s %d %f %e %b %x %X %o, how lists, maps, times and numbers in
// them are written, messages). Numbers are written in English, as Kubernetes leaves the locale.
// What always holds: the result is bounded by what the meter lets it be.

import { method, ofResult } from '../functions.ts';
import type { Overload } from '../functions.ts';
import { doubleText } from '../standard.ts';
import { durationText, timestampText } from '../time.ts';
import {
  CelMap, Duration, Fault, isFault, List, numberOf, Timestamp, typeName, TypeValue, Uint,
} from '../values.ts';
import type { Value, Work } from '../values.ts';

const stopped = new Fault('the text is too long');

export interface Clause {
  readonly at: number; readonly end: number; readonly clause: string; readonly digits: string | undefined;
}

/** The clauses of a format, or what is wrong with it. */
export function clausesOf(text: string): readonly Clause[] | Fault {
  const out: Clause[] = [];
  for (const match of text.matchAll(/%(?:\.(\d*))?(.?)/gsu)) {
    const [whole, digits, clause = ''] = match;
    if (whole === '%%') continue;
    if (clause === '') return new Fault('unexpected end of string');
    if (digits === '') return new Fault(`${unparsed}error while parsing precision: ${noNumber}`);
    if (!'sdfebxXo'.includes(clause)) return new Fault(
      `${unparsed}unrecognized formatting clause "${clause}"`);
    out.push({ at: match.index, end: match.index + whole.length, clause, digits });
  }
  return out;
}

const unparsed = 'could not parse formatting clause: ';
const noNumber = 'error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax';

function format(text: string, list: List, work: Work): Value | Fault {
  const clauses = clausesOf(text);
  if (isFault(clauses)) return clauses;
  const out: string[] = [];
  let last = 0;
  for (const [number, { at, end, clause, digits }] of clauses.entries()) {
    if (number >= list.size) return new Fault(`index ${number} out of range`);
    const shown = shownAs(clause, list.at(number), digits);
    if (isFault(shown)) return shown;
    if (!work.spend(1 + shown.length / 16)) return stopped;
    out.push(text.slice(last, at).replaceAll('%%', '%'), shown);
    last = end;
  }
  out.push(text.slice(last).replaceAll('%%', '%'));
  return work.spend(text.length / 16) ? out.join('') : stopped;
}

export function shownAs(clause: string, value: Value, digits: string | undefined): string | Fault {
  const precision = digits === undefined || digits === '' ? 6 : Math.min(100, Number(digits));
  switch (clause) {
    case 's': return stringClause(value, 0);
    case 'd': return decimalClause(value);
    case 'f': return floatClause(value, (number) => fixed(number, precision));
    case 'e': return floatClause(value, (number) => scientific(number, precision));
    case 'b':
      return value === true ? '1' : value === false ? '0' : radix(value, 2, 'error during formatting: only '
        + `integers and bools can be formatted as binary, was given ${typeName(value)}`);
    case 'o':
      return radix(value, 8, 'error during formatting: octal clause can only be used on integers, was given '
        + typeName(value));
    case 'x': return hexadecimal(value);
    case 'X': { const shown = hexadecimal(value); return isFault(shown) ? shown : shown.toUpperCase(); }
    default: return new Fault(`${unparsed}unrecognized formatting clause "${clause}"`);
  }
}

function stringClause(value: Value, depth: number): string | Fault {
  if (depth > 32) return new Fault('error during formatting: nested too deep');
  if (typeof value === 'string') return value;
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return depth === 0 ? doubleText(value)
    : floatClause(value, (number) => fixed(number, 6));
  const number = numberOf(value);
  if (number !== null) return String(number);
  if (value instanceof Timestamp) return timestampText(value);
  if (value instanceof Duration) return durationText(value);
  if (value instanceof TypeValue) return value.name;
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (value instanceof List) return listText(value, depth);
  if (value instanceof CelMap) return mapText(value, depth);
  return new Fault('error during formatting: string clause can only be used on strings, bools, bytes, ints, '
    + `doubles, maps, lists, types, durations, and timestamps, was given ${typeName(value)}`);
}

function listText(list: List, depth: number): string | Fault {
  const out: string[] = [];
  for (const item of list.all()) {
    const shown = inside(item, depth);
    if (isFault(shown)) return shown;
    out.push(shown);
  }
  return `[${out.join(', ')}]`;
}

/** Within lists and maps, texts stand in quotation marks and times say what they are. */
function inside(value: Value, depth: number): string | Fault {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Timestamp) return `timestamp("${timestampText(value)}")`;
  if (value instanceof Duration) return `duration("${durationText(value)}")`;
  if (value instanceof Uint) return String(value.value);
  return stringClause(value, depth + 1);
}

function mapText(map: CelMap, depth: number): string | Fault {
  const out: string[] = [];
  for (const key of map.keys()) {
    const name = inside(key, depth), shown = inside(map.get(key) ?? null, depth);
    if (isFault(name)) return name;
    if (isFault(shown)) return shown;
    out.push(`${name}:${shown}`);
  }
  return `{${out.sort().join(', ')}}`;
}

function decimalClause(value: Value): string | Fault {
  const number = numberOf(value);
  if (typeof number === 'bigint') return String(number);
  return new Fault('error during formatting: decimal clause can only be used on integers, was given '
    + typeName(value));
}

function floatClause(value: Value, write: (number: number) => string): string | Fault {
  const number = typeof value === 'number' ? value : typeof value === 'string' ? special[value] : undefined;
  if (number === undefined) {
    return new Fault('error during formatting: fixed-point clause can only be used on doubles, was given '
      + typeName(value));
  }
  return Number.isFinite(number) ? write(number) : Number.isNaN(number) ? 'NaN' : number > 0 ? '∞' : '-∞';
}

/** A tie goes to the even digit. */
function fixed(number: number, precision: number): string {
  const scaled = number * 10 ** precision, floor = Math.floor(scaled);
  if (scaled - floor !== 0.5 || precision > 15) return number.toFixed(precision);
  return ((floor % 2 === 0 ? floor : floor + 1) / 10 ** precision).toFixed(precision);
}

const special: Readonly<Record<string, number>> = { NaN, Infinity, '-Infinity': -Infinity };

function scientific(number: number, precision: number): string {
  const [digits = '', power = '+0'] = number.toExponential(precision).split('e'), size = power.slice(1);
  const raised = [...size.padStart(2, '0')].map((digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'.charAt(Number(digit))).join('');
  return `${digits}×10${power.startsWith('-') ? '⁻' : ''}${raised}`;
}

function radix(value: Value, base: number, otherwise: string): string | Fault {
  const number = numberOf(value);
  return typeof number === 'bigint' ? number.toString(base) : new Fault(otherwise);
}

function hexadecimal(value: Value): string | Fault {
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  if (bytes instanceof Uint8Array) return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(
    '');
  return radix(
    value, 16, 'error during formatting: only integers, byte buffers, and strings can be formatted as '
    + `hex, was given ${typeName(value)}`);
}

export const formatTextFunctions: readonly Overload[] = [
  method('string.format(list(dyn)) string', format, ofResult),
];
