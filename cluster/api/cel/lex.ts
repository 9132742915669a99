// The words of an expression: numbers, strings, names and signs, with the place of each.
//
// Source of facts: cel-spec langdef.md (lexis) and the texts of cel-go's parser for what is no word.
// What always holds: every unit of the input is looked at a bounded number of times; the last token is `end`.

import type { CelError } from './errors.ts';
import { isInt, isUint, Uint } from './values.ts';

export interface Token {
  readonly kind: 'name' | 'reserved' | 'int' | 'uint' | 'double' | 'string' | 'bytes' | 'sign' | 'end';
  /** As written. */
  readonly text: string;
  readonly at: number;
  readonly value?: bigint | number | string | Uint | Uint8Array;
}

const signs = ['==', '!=', '<=', '>=', '&&', '||', '.', ',', ':', '?', '(', ')', '[', ']', '{', '}', '+', '-',
  '*', '/', '%', '!', '<', '>'] as const;

/** Words that no variable may be called. */
const reservedWords: readonly string[] = ['as', 'break', 'const', 'continue', 'else', 'for', 'function', 'if',
  'import', 'let', 'loop', 'package', 'namespace', 'return', 'var', 'void', 'while'];

export function lex(text: string): { tokens: readonly Token[]; errors: readonly CelError[] } {
  const tokens: Token[] = [], errors: CelError[] = [];
  let at = 0;
  while (at < text.length) {
    const skipped = skip(text, at);
    if (skipped > at) { at = skipped; continue; }
    const token = stringAt(text, at) ?? numberAt(text, at) ?? nameAt(text, at) ?? signAt(text, at);
    if (token === null) {
      const cut = unreadable(text, at);
      errors.push({ at, message: `Syntax error: token recognition error at: '${text.slice(at, cut)}'` });
      at = cut;
      continue;
    }
    if ('message' in token) {
      errors.push({ at: token.at, message: token.message });
      // It stands for what was meant, so that no second error follows from the first.
      tokens.push({ kind: 'string', text: '', at, value: '' });
      at = token.end;
      continue;
    }
    tokens.push(token);
    at += token.text.length;
  }
  tokens.push({ kind: 'end', text: '<EOF>', at: text.length });
  return { tokens, errors };
}

/** Behind white space and comments. */
function skip(text: string, from: number): number {
  let at = from;
  while (/[\t\n\f\r ]/.test(text.charAt(at)) && at < text.length) at += 1;
  if (!text.startsWith('//', at)) return at;
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end;
}

/** A string that does not end takes the rest of its line with it. */
function unreadable(text: string, at: number): number {
  const ch = text.charAt(at);
  if (ch !== '"' && ch !== "'") return at + String.fromCodePoint(text.codePointAt(at) ?? 0).length;
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end;
}

interface Wrong { readonly message: string; readonly at: number; readonly end: number }

function signAt(text: string, at: number): Token | null {
  const sign = signs.find((each) => text.startsWith(each, at));
  return sign === undefined ? null : { kind: 'sign', text: sign, at };
}

const name = /[A-Za-z_][A-Za-z0-9_]*/y;

function nameAt(text: string, at: number): Token | null {
  name.lastIndex = at;
  const found = name.exec(text)?.[0];
  if (found === undefined) return null;
  return { kind: reservedWords.includes(found) ? 'reserved' : 'name', text: found, at };
}

// ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────

const double = /\d*\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+/y, hex = /0x[0-9a-fA-F]+/y, decimal = /\d+/y;

function numberAt(text: string, at: number): Token | Wrong | null {
  double.lastIndex = hex.lastIndex = decimal.lastIndex = at;
  const point = double.exec(text)?.[0];
  if (point !== undefined) {
    const value = Number(point);
    return Number.isFinite(value) ? { kind: 'double', text: point, at, value }
      : { message: 'invalid double literal', at, end: at + point.length };
  }
  const digits = hex.exec(text)?.[0] ?? decimal.exec(text)?.[0];
  if (digits === undefined) return null;
  // Longer ones fit nothing, and reading them would take more than linear time.
  const value = digits.length > 400 ? 2n ** 70n : BigInt(digits);
  if (/^[uU]/.test(text.charAt(at + digits.length))) {
    const written = text.slice(at, at + digits.length + 1);
    return isUint(value) ? { kind: 'uint', text: written, at, value: new Uint(value) }
      : { message: 'invalid uint literal', at, end: at + written.length };
  }
  // -9223372036854775808 is an int, although what stands behind its sign is none.
  const lowest = value === 2n ** 63n;
  return isInt(value) || lowest ? { kind: 'int', text: digits, at, value }
    : { message: 'invalid int literal', at, end: at + digits.length };
}

// ── strings ──────────────────────────────────────────────────────────────────────────────────────────────

const prefix = /([rR]?[bB]|[bB]?[rR]|)("""|'''|"|')/y;

function stringAt(text: string, at: number): Token | Wrong | null {
  prefix.lastIndex = at;
  const found = prefix.exec(text);
  if (found === null) return null;
  const [whole, letters = '', quote = ''] = found;
  const raw = /r/i.test(letters), bytes = /b/i.test(letters), start = at + whole.length;
  const end = stringEnd(text, start, quote, raw);
  if (end === null) return null;
  const written = text.slice(at, end + quote.length), inside = text.slice(start, end);
  const content = raw ? inside : inside.replaceAll('\r\n', '\n').replaceAll('\r', '\n');
  const value = bytes ? bytesOf(content, raw) : raw ? content : unescaped(content);
  if (value === null) {
    return { message: 'invalid unicode code point', at, end: at + written.length };
  }
  return { kind: bytes ? 'bytes' : 'string', text: written, at, value };
}

function stringEnd(text: string, start: number, quote: string, raw: boolean): number | null {
  for (let at = start; at < text.length; at++) {
    if (text.startsWith(quote, at)) return at;
    if (text[at] === '\\' && !raw) at += 1;
    if (quote.length === 1 && (text[at] === '\n' || text[at] === '\r')) return null;
  }
  return null;
}

const escapes: Readonly<Record<string, string>> = {
  a: '\u0007', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', '\\': '\\', '?': '?', '"': '"', "'": "'",
  '`': '`',
};
/** What may stand behind a backslash; anything else ends the reading. */
const escape =
  /\\(?:x([0-9a-fA-F]{2})|X([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|([^]))/g;

interface Escaped { readonly text: string; readonly code: number; readonly byte: boolean }

/** The parts of a string: what stands for itself, and what its escapes say; null where one says nothing. */
function parts(content: string): readonly (string | Escaped)[] | null {
  const out: (string | Escaped)[] = [];
  let last = 0;
  for (const match of content.matchAll(escape)) {
    const [whole, x, bigX, u, bigU, octal, letter = ''] = match;
    if (match.index > last) out.push(content.slice(last, match.index));
    last = match.index + whole.length;
    const digits = x ?? bigX ?? u ?? bigU;
    if (digits === undefined && octal === undefined) {
      if (!Object.hasOwn(escapes, letter)) return null;
      const text = escapes[letter] ?? '';
      out.push({ text, code: text.charCodeAt(0), byte: true });
      continue;
    }
    const code = octal === undefined ? parseInt(digits ?? '', 16) : parseInt(octal, 8);
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return null;
    out.push({ text: String.fromCodePoint(code), code, byte: (u ?? bigU) === undefined });
  }
  if (last < content.length) out.push(content.slice(last));
  return out.some((part) => typeof part === 'string' && part.includes('\\')) ? null : out;
}

function unescaped(content: string): string | null {
  if (!content.includes('\\')) return content;
  return parts(content)?.map((part) => typeof part === 'string' ? part : part.text).join('') ?? null;
}

/** In bytes, `\xff` is one byte, and letters are those of UTF-8. */
function bytesOf(content: string, raw: boolean): Uint8Array | null {
  const encoder = new TextEncoder(), found = raw ? [content] : parts(content);
  if (found === null) return null;
  const chunks = found.map((part) => typeof part === 'string' ? encoder.encode(part)
    : part.byte ? Uint8Array.of(part.code) : null);
  const out: number[] = [];
  for (const chunk of chunks) {
    if (chunk === null) return null;
    for (const byte of chunk) out.push(byte);
  }
  return Uint8Array.from(out);
}
