// Literal arguments that can't be right: a pattern that does not compile, a time or a duration that is none,
// a format whose clauses don't fit what is to be formatted. Kubernetes says so when the expression is
// stored, not when it is evaluated.
// Source of facts: cel-go cel/validator.go and ext/formatting.go (the validator of formats).

import type { Expr } from './ast.ts';
import type { CelError } from './errors.ts';
import { clausesOf, shownAs } from './library/textformat.ts';
import { compilePattern } from './pattern.ts';
import { parseDuration, parseTimestamp } from './time.ts';
import { isFault } from './values.ts';

/** Of a call by its function's name and all its arguments, the receiver first. `callAt`: its place. */
export function literalProblem(name: string, args: readonly Expr[], callAt: number): CelError | null {
  const arg = args[name === 'matches' ? 1 : 0];
  if (arg === undefined || arg.type !== 'const' || typeof arg.value !== 'string') return null;
  if (name === 'format') return formatProblem(arg.value, args[1], callAt);
  return unsound(name, arg.value) ? { at: arg.at, message: `invalid ${name} argument` } : null;
}

function unsound(name: string, text: string): boolean {
  switch (name) {
    case 'matches': return isFault(compilePattern(text));
    case 'timestamp': return parseTimestamp(text) === null;
    case 'duration': return parseDuration(text) === null;
    default: return false;
  }
}

function formatProblem(text: string, list: Expr | undefined, at: number): CelError | null {
  if (list?.type !== 'list') return null;
  const clauses = clausesOf(text);
  if (isFault(clauses)) return { at, message: clauses.message };
  for (const [number, { clause, digits }] of clauses.entries()) {
    const item = list.items[number];
    if (item === undefined) return { at, message: `index ${number} out of range` };
    const shown = item.value.type === 'const' ? shownAs(clause, item.value.value, digits) : '';
    if (isFault(shown)) return { at: item.value.at, message: shown.message };
  }
  const given = list.items.length, expected = clauses.length;
  return given <= expected ? null
    : { at, message: `too many arguments supplied to string.format (expected ${expected}, got ${given})` };
}
