// Regular expressions with RE2's syntax and RE2's promise: time in proportion to the text, whatever the
// pattern. Back-references and look-around are refused, as RE2 refuses them.
//
// What always holds: nothing is thrown at the caller; a pattern is bounded in length and in the size of what
// it compiles to; the work of a match is told before it is done.

import { RE2JS } from 're2js';
import { limits } from '../../limits.ts';
import { Fault } from './values.ts';

/** Patterns that were seen last: rules are evaluated again and again with the same few. */
const seen = new Map<string, RE2JS | Fault>();

export function compilePattern(text: string): RE2JS | Fault {
  const known = seen.get(text);
  if (known !== undefined) return known;
  const compiled = compiledOnce(text);
  if (seen.size >= limits.celPatternsKeptMax) seen.clear();
  seen.set(text, compiled);
  return compiled;
}

function compiledOnce(text: string): RE2JS | Fault {
  if (text.length > limits.celPatternSizeMax) return new Fault('error parsing regexp: expression too large');
  try {
    const pattern = RE2JS.compile(text);
    return pattern.programSize() > limits.celPatternProgramMax
      ? new Fault('error parsing regexp: expression too large') : pattern;
  } catch (error) {
    return new Fault(error instanceof Error ? error.message : String(error));
  }
}

/** Steps of the machine, at worst, for a text of this size. */
export const patternWork = (pattern: RE2JS, text: string): number =>
  Math.ceil(pattern.programSize() * (text.length + 1) / 64);
