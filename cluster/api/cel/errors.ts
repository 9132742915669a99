// Errors of CEL that have a place in the expression, in the words and the form of cel-go:
//
//     ERROR: <input>:1:3: found no matching overload for '_+_' applied to '(int, string)'
//      | 1 + 'a'
//      | ..^
//
// Source of facts: cel-go common/error.go (lines from 1, columns by code point, dots up to the caret).

import { textSize } from './values.ts';

export interface CelError {
  /** Where in the expression, in UTF-16 units from 0. */
  readonly at: number;
  readonly message: string;
}

/** All errors, by place, as Kubernetes shows them after `compilation failed: `. */
export function errorText(expression: string, errors: readonly CelError[]): string {
  const sorted = errors.map((error, order) => ({ ...error, order }))
    .sort((a, b) => a.at - b.at || a.order - b.order);
  return sorted.map((error) => shown(expression, error)).join('\n');
}

function shown(expression: string, { at, message }: CelError): string {
  const before = expression.slice(0, at), line = before.split('\n').length;
  const start = before.lastIndexOf('\n') + 1, end = expression.indexOf('\n', at);
  const column = textSize(expression.slice(start, at));
  const source = expression.slice(start, end < 0 ? expression.length : end).replaceAll('\t', ' ');
  // Wide characters get wide dots, so that the caret stands under its place.
  const dots = [...expression.slice(start, at)].map((ch) => (isWide(ch) ? '．' : '.')).join('');
  const marked = [...expression.slice(at)][0] ?? '';
  const caret = isWide(marked) ? '＾' : '^';
  return `ERROR: <input>:${line}:${column + 1}: ${message}\n | ${source}\n | ${dots}${caret}`;
}

const isWide = (ch: string): boolean => (ch.codePointAt(0) ?? 0) > 0x7f;
