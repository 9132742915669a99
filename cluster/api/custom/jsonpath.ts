// JSONPath as printer columns, scale and selectable fields use it: `.a.b`, `['a.b']`, `[0]`, `[-1]`, `[1:3]`,
// `[*]`, `..a` and filters such as `[?(@.type=="Ready")]`.
//
// What always holds: a path is read in time linear in its length, and gives at most `pathResultsMax` values.
// Source: Kubernetes, "JSONPath Support", and client-go util/jsonpath; of it, what one value of one object is
// found by: no ranges over several paths, no unions.

import { limits } from '../../limits.ts';
import { isObject } from '../body.ts';
import type { Json } from '../body.ts';

export type JsonPath = readonly PathStep[];

type PathStep =
  | { readonly step: 'field'; readonly name: string }
  | { readonly step: 'index'; readonly at: number }
  | { readonly step: 'slice'; readonly from: number | null; readonly to: number | null }
  | { readonly step: 'all' }
  | { readonly step: 'descend' }
  | { readonly step: 'filter'; readonly left: Operand; readonly operator: string; readonly right: Operand };

type Operand = { readonly path: JsonPath } | { readonly value: Json };

/** The path, or null where this is none. */
export function parsePath(text: string): JsonPath | null {
  const reading = { text, at: 0 };
  const steps = readSteps(reading);
  return steps === null || reading.at < text.length ? null : steps;
}

/** All values that the path leads to. */
export function resultsOf(path: JsonPath, root: Json): readonly Json[] {
  let values: readonly Json[] = [root];
  for (const step of path) {
    values = values.flatMap((value) => next(step, value)).slice(0, limits.pathResultsMax);
  }
  return values;
}

interface Reading { readonly text: string; at: number }

const nameEnd = /[.[\]\s=!<>)(]/;

function readSteps(reading: Reading): JsonPath | null {
  const steps: PathStep[] = [], { text } = reading;
  while (reading.at < text.length) {
    const c = text[reading.at];
    if (c === '[') {
      const step = readBracket(reading);
      if (step === null) return null;
      steps.push(step);
    } else if (c === '.') {
      reading.at += 1;
      if (text[reading.at] === '.') {
        steps.push({ step: 'descend' });
        reading.at += 1;
      }
      if (reading.at === text.length || text[reading.at] === '[') continue;
      const name = readName(reading);
      if (name === '') return null;
      steps.push(name === '*' ? { step: 'all' } : { step: 'field', name });
    } else break;
  }
  return steps;
}

/** Up to the next dot or bracket; a backslash takes the next letter as it is. */
function readName(reading: Reading): string {
  const { text } = reading;
  let name = '';
  for (; reading.at < text.length; reading.at++) {
    const c = text[reading.at] ?? '';
    if (c === '\\') {
      reading.at += 1;
      name += text[reading.at] ?? '';
    } else if (nameEnd.test(c)) break;
    else name += c;
  }
  return name;
}

function readBracket(reading: Reading): PathStep | null {
  const { text } = reading;
  reading.at += 1;
  if (text.startsWith('?(', reading.at)) return readFilter(reading);
  if (text[reading.at] === "'" || text[reading.at] === '"') {
    const name = readQuoted(reading);
    return name === null || !take(reading, ']') ? null : { step: 'field', name };
  }
  const end = text.indexOf(']', reading.at);
  if (end < 0) return null;
  const inner = text.slice(reading.at, end).trim();
  reading.at = end + 1;
  if (inner === '*') return { step: 'all' };
  if (/^-?\d{1,9}$/.test(inner)) return { step: 'index', at: Number(inner) };
  const [, from, to] = /^(-?\d{1,9})?:(-?\d{1,9})?$/.exec(inner) ?? [null];
  if (from === undefined && to === undefined && inner !== ':') return null;
  return {
    step: 'slice', from: from === undefined || from === null ? null : Number(from),
    to: to === undefined ? null : Number(to),
  };
}

function take(reading: Reading, what: string): boolean {
  if (!reading.text.startsWith(what, reading.at)) return false;
  reading.at += what.length;
  return true;
}

function readQuoted(reading: Reading): string | null {
  const { text } = reading, quote = text[reading.at] ?? '';
  let value = '';
  for (reading.at += 1; reading.at < text.length; reading.at++) {
    const c = text[reading.at] ?? '';
    if (c === quote) {
      reading.at += 1;
      return value;
    }
    if (c === '\\') reading.at += 1;
    value += text[reading.at] ?? '';
  }
  return null;
}

function readFilter(reading: Reading): PathStep | null {
  reading.at += 2;
  const left = readOperand(reading);
  if (left === null) return null;
  skipSpace(reading);
  const operator = ['==', '!=', '<=', '>=', '<', '>'].find((one) => take(reading, one)) ?? 'exists';
  const right: Operand | null = operator === 'exists' ? { value: null } : readOperand(reading);
  skipSpace(reading);
  return right === null || !take(reading, ')]') ? null : { step: 'filter', left, operator, right };
}

function skipSpace(reading: Reading): void {
  while (reading.text[reading.at] === ' ') reading.at += 1;
}

function readOperand(reading: Reading): Operand | null {
  skipSpace(reading);
  const c = reading.text[reading.at];
  if (c === '"' || c === "'") {
    const value = readQuoted(reading);
    return value === null ? null : { value };
  }
  if (c === '@') {
    reading.at += 1;
    const path = readSteps(reading);
    return path === null ? null : { path };
  }
  const word = /^(true|false|-?\d+(?:\.\d+)?)/.exec(reading.text.slice(reading.at, reading.at + 32))?.[1];
  if (word === undefined) return null;
  reading.at += word.length;
  return { value: JSON.parse(word) as Json };
}

// ── following ────────────────────────────────────────────────────────────────────────────────────────────

function next(step: PathStep, value: Json): readonly Json[] {
  const items: readonly Json[] = Array.isArray(value) ? value : [];
  switch (step.step) {
    case 'field': {
      const found = isObject(value) && Object.hasOwn(value, step.name) ? value[step.name] : undefined;
      return found === undefined ? [] : [found];
    }
    case 'index': {
      const found = items.at(step.at);
      return found === undefined ? [] : [found];
    }
    case 'slice': return items.slice(step.from ?? 0, step.to ?? items.length);
    case 'all': return isObject(value) ? Object.keys(value).sort().map((name) => value[name] ?? null) : items;
    case 'descend': return descendants(value);
    case 'filter': return items.filter((item) => holds(step, item));
  }
}

/** The value and everything in it, outermost first. */
function descendants(value: Json): readonly Json[] {
  const found: Json[] = [value];
  for (let at = 0; at < found.length && found.length < limits.pathResultsMax; at++) {
    const one = found[at] ?? null;
    if (Array.isArray(one)) found.push(...one as readonly Json[]);
    else if (isObject(one)) for (const name of Object.keys(one).sort()) found.push(one[name] ?? null);
  }
  return found;
}

function holds({ left, operator, right }: Extract<PathStep, { step: 'filter' }>, item: Json): boolean {
  const a = 'path' in left ? resultsOf(left.path, item)[0] : left.value;
  if (operator === 'exists') return a !== undefined;
  const b = 'path' in right ? resultsOf(right.path, item)[0] : right.value;
  if (a === undefined || b === undefined || typeof a !== typeof b || a === null || b === null) return false;
  switch (operator) {
    case '==': return a === b;
    case '!=': return a !== b;
    case '<': return a < b;
    case '<=': return a <= b;
    case '>': return a > b;
    default: return a >= b;
  }
}
