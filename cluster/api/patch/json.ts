// JSON Patch (RFC 6902) on immutable values.
//
// What always holds: either every operation is carried out, or the answer says which one can't be, and why;
// a patch can't make a value grow faster than `patchCopyBytesMax` allows, though each copy may double it.

import { canonicalText } from '../../canonical.ts';
import { limits } from '../../limits.ts';
import { isObject } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';

/** 400: the patch makes no sense; 413: it is too large; 422: it does not fit the value. */
type Code = 400 | 413 | 422;

/** A class with a private mark, so that no value of a client can pass for one. */
export class PatchRefusal {
  readonly #mark = true;
  readonly refused: string;
  readonly code: Code;

  constructor(refused: string, code: Code) {
    this.refused = refused;
    this.code = code;
  }

  static is(value: Json | PatchRefusal): value is PatchRefusal {
    return typeof value === 'object' && value !== null && #mark in value;
  }
}

export const isPatchRefusal = (value: Json | PatchRefusal): value is PatchRefusal => PatchRefusal.is(value);

export const refuse = (refused: string, code: Code = 422): PatchRefusal => new PatchRefusal(refused, code);

export function jsonPatch(target: Json, patch: Json): Json | PatchRefusal {
  if (!Array.isArray(patch)) return refuse('a JSON patch is an array of operations', 400);
  const operations = patch as readonly Json[], { patchOperationsMax, patchCopyBytesMax } = limits;
  if (operations.length > patchOperationsMax) {
    const why = `The allowed maximum operations in a JSON patch is ${patchOperationsMax}`;
    return refuse(`${why}, got ${operations.length}`, 413);
  }
  let value = target, copied = 0;
  for (const operation of operations) {
    if (!isObject(operation)) return refuse('an operation of a JSON patch is an object', 400);
    copied += copiedBytes(value, operation);
    if (copied > patchCopyBytesMax) {
      return refuse(`the copies of a JSON patch may add ${patchCopyBytesMax} bytes at most`, 413);
    }
    const next = carryOut(value, operation);
    if (isPatchRefusal(next)) return next;
    value = next;
  }
  return value;
}

function copiedBytes(target: Json, { op, from }: JsonObject): number {
  const path = op === 'copy' ? pointer(from) : null, found = path === null ? undefined : find(target, path);
  return found === undefined ? 0 : JSON.stringify(found).length;
}

function carryOut(target: Json, { op, path, from, value }: JsonObject): Json | PatchRefusal {
  const at = pointer(path);
  if (at === null) return refuse(`not a JSON pointer: ${JSON.stringify(path ?? null)}`, 400);
  switch (op) {
    case 'add': case 'replace':
      return value === undefined ? refuse(`${op} operation is missing its value`, 400)
        : put(target, at, value, op === 'add');
    case 'remove': return remove(target, at);
    case 'test': {
      const found = find(target, at) ?? null;
      return canonicalText(found) === canonicalText(value ?? null) ? target
        : refuse(`testing value ${String(path)} failed: test failed`);
    }
    case 'copy': case 'move': return transfer(target, op, at, pointer(from));
    default: return refuse(`Unexpected kind: ${JSON.stringify(op ?? null)}`, 400);
  }
}

function transfer(
  target: Json, op: 'copy' | 'move', to: readonly string[], from: readonly string[] | null,
): Json | PatchRefusal {
  if (from === null) return refuse(`${op} operation needs "from", a JSON pointer`, 400);
  const found = find(target, from);
  if (found === undefined) return missing(from);
  if (op === 'copy') return put(target, to, found, true);
  const inside = to.length > from.length && from.every((part, n) => part === to[n]);
  if (inside) return refuse("a value can't be moved into itself", 400);
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
    if (isObject(value)) value = Object.hasOwn(value, part) ? value[part] : undefined;
    else value = value[position(part, value.length, false) ?? -1];
  }
  return value;
}

const missing = (path: readonly string[]): PatchRefusal =>
  refuse(`the path /${path.join('/')} does not exist`);

/** `insert`: between the items of a list, and as a new field; else only in the place of what is there. */
function put(target: Json, path: readonly string[], value: Json, insert: boolean): Json | PatchRefusal {
  const [head, ...rest] = path, last = rest.length === 0;
  if (head === undefined) return value;
  if (typeof target !== 'object' || target === null) return missing(path);
  if (isObject(target)) {
    const known = Object.hasOwn(target, head);
    if (head === '__proto__' || (!known && !(last && insert))) return missing(path);
    const next = last ? value : put(target[head] ?? null, rest, value, insert);
    return isPatchRefusal(next) ? next : { ...target, [head]: next };
  }
  const at = position(head, target.length, last && insert);
  if (at === null) return refuse(`Unable to access invalid index: ${head}`);
  if (last && insert) return [...target.slice(0, at), value, ...target.slice(at)];
  const next = last ? value : put(target[at] ?? null, rest, value, insert);
  return isPatchRefusal(next) ? next : target.map((item, n) => n === at ? next : item);
}

function remove(target: Json, path: readonly string[]): Json | PatchRefusal {
  const [head, ...rest] = path;
  if (head === undefined) return refuse("the whole document can't be removed");
  if (typeof target !== 'object' || target === null) return missing(path);
  if (isObject(target)) {
    if (!Object.hasOwn(target, head)) {
      return refuse(`Unable to remove nonexistent key: ${head}: missing value`);
    }
    if (rest.length === 0) {
      return Object.fromEntries(Object.entries(target).filter(([name]) => name !== head));
    }
    const next = remove(target[head] ?? null, rest);
    return isPatchRefusal(next) ? next : { ...target, [head]: next };
  }
  const at = position(head, target.length, false);
  if (at === null) return refuse(`Unable to access invalid index: ${head}`);
  if (rest.length === 0) return target.filter((_, n) => n !== at);
  const next = remove(target[at] ?? null, rest);
  return isPatchRefusal(next) ? next : target.map((item, n) => n === at ? next : item);
}

/** `-` is the place behind the last, where something may be added. */
function position(part: string, length: number, insert: boolean): number | null {
  if (part === '-') return insert ? length : null;
  if (!/^(0|[1-9]\d{0,8})$/.test(part)) return null;
  const at = Number(part);
  return at < length || (insert && at === length) ? at : null;
}
