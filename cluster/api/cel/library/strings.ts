// Texts: charAt, indexOf, lastIndexOf, lowerAscii, upperAscii, replace, split, substring, trim, join, quote,
// and the patterns' find and findAll.
//
// Positions count code points. Source of facts: cel-go ext/strings.go (version 2, as Kubernetes has it),
// k8s.io/apiserver pkg/cel/library/regex.go.
// What always holds: no text is built that was not charged for first.

import { global, method, ofPattern, ofResult, traversal } from '../functions.ts';
import type { Overload } from '../functions.ts';
import { patternFor, patternWork } from '../pattern.ts';
import { codePoints, Fault, isFault, List, textSize } from '../values.ts';
import type { Value, Work } from '../values.ts';

const outOfRange = (index: bigint): Fault => new Fault(`index out of range: ${index}`);
const stopped = new Fault('the text is too long');

function charAt(text: string, index: bigint): Value | Fault {
  const points = codePoints(text);
  if (index < 0n || index > points.length) return outOfRange(index);
  return points[Number(index)] ?? '';
}

function indexOf(text: string, part: string, from: bigint = 0n): Value | Fault {
  const size = textSize(text);
  if (part === '') return from < 0n ? outOfRange(from) : from;
  if (from < 0n) return outOfRange(from);
  if (from >= size) return -1n;
  const found = text.indexOf(part, unitsOf(text, Number(from)));
  return found < 0 ? -1n : BigInt(textSize(text.slice(0, found)));
}

function lastIndexOf(text: string, part: string, from?: unknown): Value | Fault {
  const size = textSize(text), at = typeof from === 'bigint' ? from : BigInt(size);
  if (part === '') return at < 0n || at > size ? outOfRange(at) : at;
  if (at < 0n) return outOfRange(at);
  if (typeof from === 'bigint' && at >= size) return -1n;
  const found = text.lastIndexOf(part, unitsOf(text, Number(at)));
  return found < 0 ? -1n : BigInt(textSize(text.slice(0, found)));
}

/** How many UTF-16 units so many code points are. */
function unitsOf(text: string, points: number): number {
  return textSize(text) === text.length ? points : codePoints(text).slice(0, points).join('').length;
}

function substring(text: string, start: bigint, end?: unknown): Value | Fault {
  const size = BigInt(textSize(text));
  if (typeof end !== 'bigint') {
    return start < 0n || start > size ? outOfRange(start) : text.slice(unitsOf(text, Number(start)));
  }
  if (start > end) return new Fault(`invalid substring range. start: ${start}, end: ${end}`);
  if (start < 0n || start > size) return outOfRange(start);
  if (end < 0n || end > size) return outOfRange(end);
  return text.slice(unitsOf(text, Number(start)), unitsOf(text, Number(end)));
}

function replace(text: string, old: string, by: string, limit: unknown, work: Work): Value | Fault {
  const most = typeof limit === 'bigint' && limit >= 0n ? Number(limit) : Infinity;
  const pieces = old === '' ? codePoints(text) : text.split(old);
  const gaps = old === '' ? pieces.length + 1 : pieces.length - 1, count = Math.min(most, gaps);
  if (!work.spend((text.length + count * by.length) / 16)) return stopped;
  if (old === '') {
    const out = pieces.map((piece, at) => at < count ? by + piece : piece).join('');
    return count > pieces.length ? out + by : out;
  }
  return pieces.map((piece, at) => at === pieces.length - 1 ? piece : piece + (at < count ? by : old)).join(
    '');
}

function split(text: string, by: string, limit: unknown, work: Work): Value | Fault {
  const most = typeof limit === 'bigint' ? limit : -1n;
  if (!work.spend(text.length / 4)) return stopped;
  if (most === 0n) return new List([]);
  const pieces = by === '' ? codePoints(text) : text.split(by);
  if (most < 0n || pieces.length <= most) return new List(pieces);
  const kept = pieces.slice(0, Number(most) - 1), rest = pieces.slice(Number(most) - 1);
  return new List([...kept, rest.join(by)]);
}

function join(list: List, by: string, work: Work): Value | Fault {
  const texts: string[] = [];
  let size = 0;
  for (const item of list.all()) {
    if (typeof item !== 'string') return new Fault('no such overload: join(list, string)');
    texts.push(item);
    size += item.length + by.length;
  }
  return work.spend(size / 16) ? texts.join(by) : stopped;
}

/** White space by Unicode, as Go's TrimSpace-like function of the library has it. */
const trimmed = (text: string): string =>
  text.replace(/^[\s\u0085\u180e\u200b]+/u, '').replace(/[\s\u0085\u180e\u200b]+$/u, '');

const lower = (text: string): string => text.replace(/[A-Z]+/g, (part) => part.toLowerCase());
const upper = (text: string): string => text.replace(/[a-z]+/g, (part) => part.toUpperCase());

const quoted: Readonly<Record<string, string>> = {
  '\u0007': '\\a', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\v': '\\v', '\\': '\\\\',
  '"': '\\"',
};

const quote = (text: string): string =>
  `"${text.replace(/[\u0007\b\f\n\r\t\v\\"]/g, (ch) => quoted[ch] ?? ch)}"`;

function find(text: string, pattern: string, work: Work): Value | Fault {
  const found = findSome(text, pattern, 1, work);
  return isFault(found) ? found : found[0] ?? '';
}

function findSome(text: string, pattern: string, most: number, work: Work): readonly string[] | Fault {
  const compiled = patternFor(pattern, work);
  if (isFault(compiled)) return new Fault(`Illegal regex: ${compiled.message}`);
  const out: string[] = [];
  if (most === 0 || !work.spend(patternWork(compiled, text))) return out;
  const matcher = compiled.matcher(text);
  while (out.length < most && matcher.find()) {
    // A search that starts anew may look at all that is left.
    if (!work.spend(patternWork(compiled, '') + (text.length - matcher.start()) / 256)) return out;
    out.push(matcher.group() ?? '');
  }
  return out;
}

function findAll(text: string, pattern: string, limit: unknown, work: Work): Value | Fault {
  const most = typeof limit === 'bigint' && limit >= 0n ? Number(limit) : Infinity;
  const found = findSome(text, pattern, most, work);
  return isFault(found) ? found : new List(found);
}

export const stringFunctions: readonly Overload[] = [
  method('string.charAt(int) string', charAt),
  method('string.indexOf(string) int', (text: string, part: string) => indexOf(text, part)),
  method('string.indexOf(string, int) int', indexOf),
  method('string.lastIndexOf(string) int', lastIndexOf),
  method('string.lastIndexOf(string, int) int', lastIndexOf),
  method('string.lowerAscii() string', lower, traversal()),
  method('string.upperAscii() string', upper, traversal()),
  method('string.trim() string', trimmed, traversal()),
  method('string.substring(int) string', substring, traversal()),
  method('string.substring(int, int) string', substring, traversal()),
  method('string.replace(string, string) string', (text: string, old: string, by: string, work: Work) =>
    replace(text, old, by, -1n, work), traversal(2)),
  method('string.replace(string, string, int) string', replace, traversal(2)),
  method('string.split(string) list(string)', (text: string, by: string, work: Work) =>
    split(text, by, -1n, work), traversal(2)),
  method('string.split(string, int) list(string)', split, traversal(2)),
  method('list(string).join() string', (list: List, work: Work) => join(list, '', work), ofResult),
  method('list(string).join(string) string', join, ofResult),
  global('strings.quote(string) string', quote, traversal()),
  method('string.find(string) string', find, ofPattern),
  method('string.findAll(string) list(string)', (text: string, pattern: string, work: Work) =>
    findAll(text, pattern, -1n, work), ofPattern),
  method('string.findAll(string, int) list(string)', findAll, ofPattern),
];
