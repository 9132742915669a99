// JSON text to a value that is fit to be kept: what `JSON.parse` can't say (keys that one object holds twice,
// nesting that no walk could follow, a key named `__proto__`) is found beside it.

import { limits } from '../limits.ts';
import type { Json, JsonObject, ParsedBody } from './body.ts';
import { badRequest } from './status.ts';
import type { Problem } from './status.ts';

export const tooDeep = (): Problem =>
  badRequest(`the request body is nested deeper than ${limits.bodyDepthMax} levels`);

export function parseJson(text: string): ParsedBody | Problem {
  const members = countMembers(text);
  if (members === null) return tooDeep();
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unreadable';
    return badRequest(`the request body is not valid JSON: ${why}`);
  }
  const seen = { members: 0 };
  const wrong = unfit(value, seen);
  if (wrong !== null) return badRequest(wrong);
  // JSON.parse keeps the last of two equal keys in silence. Fewer members than colons: there was such a pair.
  return { value, duplicates: seen.members < members ? duplicateKeys(text) : [] };
}

/** Members of all objects, by their colons; null where brackets nest so deep that no parser may see it. */
function countMembers(text: string): number | null {
  let depth = 0, members = 0, quoted = false;
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (quoted) {
      if (c === 0x5c) at += 1;
      else if (c === 0x22) quoted = false;
    } else if (c === 0x22) quoted = true;
    else if (c === 0x3a) members += 1;
    else if (c === 0x7b || c === 0x5b) {
      depth += 1;
      if (depth > limits.bodyDepthMax) return null;
    } else if (c === 0x7d || c === 0x5d) depth -= 1;
  }
  return members;
}

/** What makes a parsed value unfit to be kept; null where it is fit. Counts the members of objects. */
export function unfit(value: Json, seen: { members: number }): string | null {
  if (typeof value === 'number') {
    return Number.isFinite(value) ? null : 'json: cannot unmarshal number: it is too large';
  }
  if (typeof value !== 'object' || value === null) return null;
  if (Array.isArray(value)) {
    for (const item of value as readonly Json[]) {
      const wrong = unfit(item, seen);
      if (wrong !== null) return wrong;
    }
    return null;
  }
  const fields = value as JsonObject;
  for (const name of Object.keys(fields)) {
    seen.members += 1;
    // No field of Kubernetes has this name, and what merges objects could take it for the prototype.
    if (name === '__proto__') return 'a field named "__proto__" is not supported';
    const wrong = unfit(fields[name] ?? null, seen);
    if (wrong !== null) return wrong;
  }
  return null;
}

/** Paths of keys that an object of the (valid) JSON text holds twice. */
function duplicateKeys(text: string): string[] {
  const found: string[] = [];
  const stack: Level[] = [];
  for (let at = 0; at < text.length && found.length < limits.complaintsMax; at++) {
    const c = text.charAt(at), top = stack.at(-1);
    if (c === '{' || c === '[') {
      stack.push({ keys: c === '{' ? new Set() : null, path: pathWithin(top), index: 0, key: '' });
    } else if (c === '}' || c === ']') stack.pop();
    else if (c === ',' && top !== undefined) top.index += 1;
    else if (c === '"') {
      const end = endOfString(text, at);
      if (top !== undefined && top.keys !== null && isBeforeColon(text, end)) {
        const key = JSON.parse(text.slice(at, end)) as string;
        if (top.keys.has(key)) found.push(join(top.path, key));
        top.keys.add(key);
        top.key = key;
      }
      at = end - 1;
    }
  }
  return found;
}

/** An object (with the keys seen so far) or an array, and where in it we are. */
interface Level { readonly keys: Set<string> | null; readonly path: string; index: number; key: string }

function pathWithin(level: Level | undefined): string {
  if (level === undefined) return '';
  return level.keys === null ? `${level.path}[${level.index}]` : join(level.path, level.key);
}

/** Behind the closing quote of the string that opens at `from`. */
function endOfString(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function isBeforeColon(text: string, from: number): boolean {
  let at = from;
  while (at < text.length && ' \t\r\n'.includes(text.charAt(at))) at += 1;
  return text[at] === ':';
}

export const join = (path: string, name: string): string => path === '' ? name : `${path}.${name}`;
