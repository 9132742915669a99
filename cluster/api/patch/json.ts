// JSON Patch (RFC 6902) on immutable values.
// What always holds: either every operation is carried out, or the answer says which one can't be, and why.

import { canonicalText } from '../../canonical.ts';
import { limits } from '../../limits.ts';
import type { Json, JsonObject } from '../decode.ts';

export interface PatchRefusal { readonly refused: string; readonly code: 400 | 422 }

export const isPatchRefusal = (value: Json | PatchRefusal): value is PatchRefusal =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && 'refused' in value && 'code' in value;

const refuse = (refused: string, code: 400 | 422 = 422): PatchRefusal => ({ refused, code });

export function jsonPatch(target: Json, patch: Json): Json | PatchRefusal {
  if (!Array.isArray(patch)) return refuse('a JSON patch is an array of operations', 400);
  if (patch.length > limits.patchOperationsMax) {
    return refuse(`The allowed maximum operations in a JSON patch is ${limits.patchOperationsMax}, got ${patch.length}`, 400);
  }
  let value = target;
  for (const operation of patch as readonly Json[]) {
    const next = carryOut(value, operation);
    if (isPatchRefusal(next)) return next;
    value = next;
  }
  return value;
}

function carryOut(target: Json, operation: Json): Json | PatchRefusal {
  if (typeof operation !== 'object' || operation === null || Array.isArray(operation)) return refuse('an operation is an object', 400);
  const { op, path, from, value } = operation as JsonObject;
  const at = pointer(path);
  if (at === null) return refuse(`not a JSON pointer: ${JSON.stringify(path ?? null)}`, 400);
  switch (op) {
    case 'add': return value === undefined ? refuse('add needs a value', 400) : put(target, at, value, true);
    case 'replace': return value === undefined ? refuse('replace needs a value', 400) : put(target, at, value, false);
    case 'remove': return remove(target, at);
    case 'test': {
      const found = find(target, at) ?? null;
      return canonicalText(found) === canonicalText(value ?? null) ? target
        : refuse(`testing value ${String(path)} failed: test failed`);
    }
    case 'copy': case 'move': return transfer(target, op, at, pointer(from));
    default: return refuse(`unexpected kind of operation: ${JSON.stringify(op ?? null)}`, 400);
  }
}

function transfer(target: Json, op: 'copy' | 'move', to: readonly string[], from: readonly string[] | null): Json | PatchRefusal {
  if (from === null) return refuse(`${op} needs "from", a JSON pointer`, 400);
  const found = find(target, from);
  if (found === undefined) return missing(from);
  if (op === 'copy') return put(target, to, found, true);
  if (to.length > from.length && from.every((part, n) => part === to[n])) return refuse('a value can\'t be moved into itself', 400);
  const without = remove(target, from);
  return isPatchRefusal(without) ? without : put(without, to, found, true);
}

/** The parts of a JSON pointer (RFC 6901), or null. */
function pointer(text: Json | undefined): string[] | null {
  if (typeof text !== 'string') return null;
  if (text === '') return [];
  if (!text.startsWith('/')) return null;
  return text.slice(1).split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function find(target: Json, path: readonly string[]): Json | undefined {
  let value: Json | undefined = target;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    if (Array.isArray(value)) value = (value as readonly Json[])[position(part, value.length, false) ?? -1];
    else value = Object.hasOwn(value, part) ? (value as JsonObject)[part] : undefined;
  }
  return value;
}

const missing = (path: readonly string[]): PatchRefusal => refuse(`the path /${path.join('/')} does not exist`);

function put(target: Json, path: readonly string[], value: Json, insert: boolean): Json | PatchRefusal {
  const [head, ...rest] = path;
  if (head === undefined) return value;
  if (typeof target !== 'object' || target === null) return missing(path);
  if (Array.isArray(target)) {
    const items = target as readonly Json[], last = rest.length === 0;
    const at = position(head, items.length, last && insert);
    if (at === null) return refuse(`not an index of the array: ${head}`);
    if (last && insert) return [...items.slice(0, at), value, ...items.slice(at)];
    const next = put(items[at] ?? null, rest, value, insert);
    return isPatchRefusal(next) ? next : items.map((item, n) => n === at ? next : item);
  }
  const fields = target as JsonObject, known = Object.hasOwn(fields, head);
  if (head === '__proto__' || (!known && (rest.length > 0 || !insert))) return missing(path);
  const next = rest.length === 0 ? value : put(fields[head] ?? null, rest, value, insert);
  return isPatchRefusal(next) ? next : { ...fields, [head]: next };
}

function remove(target: Json, path: readonly string[]): Json | PatchRefusal {
  const [head, ...rest] = path;
  if (head === undefined) return refuse('the whole document can\'t be removed');
  if (typeof target !== 'object' || target === null) return missing(path);
  if (Array.isArray(target)) {
    const items = target as readonly Json[], at = position(head, items.length, false);
    if (at === null) return refuse(`Unable to remove nonexistent index: ${head}`);
    if (rest.length === 0) return items.filter((_, n) => n !== at);
    const next = remove(items[at] ?? null, rest);
    return isPatchRefusal(next) ? next : items.map((item, n) => n === at ? next : item);
  }
  const fields = target as JsonObject;
  if (!Object.hasOwn(fields, head)) return refuse(`Unable to remove nonexistent key: ${head}: missing value`);
  if (rest.length === 0) return Object.fromEntries(Object.entries(fields).filter(([name]) => name !== head));
  const next = remove(fields[head] ?? null, rest);
  return isPatchRefusal(next) ? next : { ...fields, [head]: next };
}

/** `-` is the place behind the last, where something may be added. */
function position(part: string, length: number, insert: boolean): number | null {
  if (part === '-') return insert ? length : null;
  if (!/^(0|[1-9]\d{0,8})$/.test(part)) return null;
  const at = Number(part);
  return at < length || (insert && at === length) ? at : null;
}
