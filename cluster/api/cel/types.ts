// The types of CEL: what a variable, a field or a function is declared to be, and how a type is written.
//
// Source of facts: the CEL language definition (cel-spec, langdef.md), and the words in which cel-go shows a
// type in its messages. What always holds: a type is plain data; objects are told apart by name alone, so
// that types that contain themselves need no unfolding.

import { unreachable } from '../../assert.ts';

export type SimpleKind = 'dyn' | 'null' | 'bool' | 'int' | 'uint' | 'double' | 'string' | 'bytes'
  | 'timestamp' | 'duration' | 'error';

export type CelType =
  | { readonly kind: SimpleKind }
  | { readonly kind: 'list'; readonly of: CelType }
  | { readonly kind: 'map'; readonly key: CelType; readonly value: CelType }
  | { readonly kind: 'optional'; readonly of: CelType }
  | { readonly kind: 'type'; readonly of: CelType | null }
  | ObjectType
  /** A value that only functions look into: an IP address, a quantity, the authorizer. */
  | { readonly kind: 'opaque'; readonly name: string }
  /** A letter in a signature: `A` in `list(A).contains(A)`. */
  | { readonly kind: 'param'; readonly name: string }
  /** What the checker has still to find out. */
  | { readonly kind: 'free'; readonly id: number };

export interface ObjectType {
  readonly kind: 'object';
  readonly name: string;
  /** The type of a field; null: there is no such field. */
  readonly field: (name: string) => CelType | null;
}

const simple = (kind: SimpleKind): CelType => ({ kind });

export const types = {
  dyn: simple('dyn'), null: simple('null'), bool: simple('bool'), int: simple('int'), uint: simple('uint'),
  double: simple('double'), string: simple('string'), bytes: simple('bytes'),
  timestamp: simple('timestamp'), duration: simple('duration'), error: simple('error'),
} as const;

export const listOf = (of: CelType): CelType => ({ kind: 'list', of });
export const mapOf = (key: CelType, value: CelType): CelType => ({ kind: 'map', key, value });
export const optionalOf = (of: CelType): CelType => ({ kind: 'optional', of });
export const opaque = (name: string): CelType => ({ kind: 'opaque', name });

/** An object with these fields. */
export function objectType(name: string, fields: Readonly<Record<string, CelType>>): ObjectType {
  return { kind: 'object', name, field: (field) => Object.hasOwn(fields, field) ? fields[field] ?? null
    : null };
}

/** As in cel-go's messages: `map(string, list(int))`. */
export const typeText = (type: CelType): string => text(type, false);

/** As an API server names what an expression evaluates to: messages of the checker have shorter names. */
export const typeNamed = (type: CelType): string => text(type, true);

function text(type: CelType, long: boolean): string {
  switch (type.kind) {
    case 'list': return `list(${text(type.of, long)})`;
    case 'map': return `map(${text(type.key, long)}, ${text(type.value, long)})`;
    case 'optional': return `optional_type(${text(type.of, long)})`;
    case 'type': return type.of === null ? 'type' : `type(${text(type.of, long)})`;
    case 'object': case 'opaque': return type.name;
    case 'param': return type.name;
    case 'free': return `_var${type.id}`;
    case 'error': return '!error!';
    case 'timestamp': return long ? 'google.protobuf.Timestamp' : 'timestamp';
    case 'duration': return long ? 'google.protobuf.Duration' : 'duration';
    case 'null': return long ? 'null_type' : 'null';
    case 'dyn': case 'bool': case 'int': case 'uint': case 'double': case 'string': case 'bytes':
      return type.kind;
    default: return unreachable(type);
  }
}

/** The names that stand for types in expressions: `type(x) == int`. */
export const typeNames: Readonly<Record<string, CelType>> = {
  bool: types.bool, int: types.int, uint: types.uint, double: types.double, string: types.string,
  bytes: types.bytes, null_type: types.null, list: listOf(types.dyn), map: mapOf(types.dyn, types.dyn),
  type: { kind: 'type', of: null }, optional_type: optionalOf(types.dyn),
  'google.protobuf.Timestamp': types.timestamp, 'google.protobuf.Duration': types.duration,
  'net.IP': opaque('net.IP'), 'net.CIDR': opaque('net.CIDR'),
};

// ── signatures ───────────────────────────────────────────────────────────────────────────────────────────

export interface Signature {
  readonly name: string;
  /** The first parameter stands before the dot. */
  readonly member: boolean;
  readonly params: readonly CelType[];
  readonly result: CelType;
}

/**
 * `list(A).indexOf(A) int`, `optional.of(A) optional(A)`: a type before the dot is a receiver if `member`.
 * Only the tables of functions in this folder are read by it, when they are loaded.
 */
export function signature(text: string, member: boolean): Signature {
  const open = member ? receiverEnd(text) : -1;
  const receiver = member ? [parseType(text.slice(0, open))] : [];
  const rest = text.slice(open + 1), bracket = rest.indexOf('(');
  const close = closing(rest, bracket), inside = rest.slice(bracket + 1, close);
  return {
    name: rest.slice(0, bracket), member,
    params: [...receiver, ...splitTypes(inside).map(parseType)], result: parseType(rest.slice(close + 1)),
  };
}

/** Where the dot after the receiver's type is: `kubernetes.URL.getHost()` has its last dot there. */
function receiverEnd(text: string): number {
  let depth = 0, last = -1;
  for (let at = 0; at < text.length; at++) {
    const ch = text.charAt(at);
    if (ch === '(') {
      // The bracket of the arguments follows a name after a dot; one of the type does not.
      if (depth === 0 && last >= 0) return last;
      depth += 1;
    } else if (ch === ')') depth -= 1;
    else if (ch === '.' && depth === 0) last = at;
  }
  return last;
}

function closing(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === '(') depth += 1;
    if (text[at] === ')') depth -= 1;
    if (depth === 0) return at;
  }
  return text.length;
}

function splitTypes(text: string): string[] {
  const parts: string[] = [];
  let depth = 0, start = 0;
  for (let at = 0; at <= text.length; at++) {
    const ch = text[at];
    if (ch === '(') depth += 1;
    if (ch === ')') depth -= 1;
    if ((ch === ',' || ch === undefined) && depth === 0) {
      if (text.slice(start, at).trim() !== '') parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  return parts;
}

function parseType(raw: string): CelType {
  const text = raw.trim(), open = text.indexOf('(');
  if (open < 0) {
    if (Object.hasOwn(types, text)) return types[text as SimpleKind];
    if (text === 'type') return { kind: 'type', of: null };
    return /^[A-Z]$/.test(text) ? { kind: 'param', name: text } : opaque(text);
  }
  const [first = types.dyn, second = types.dyn] = splitTypes(text.slice(open + 1, -1)).map(parseType);
  switch (text.slice(0, open)) {
    case 'list': return listOf(first);
    case 'map': return mapOf(first, second);
    case 'optional': return optionalOf(first);
    default: return { kind: 'type', of: first };
  }
}
