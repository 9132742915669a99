// Regular expressions with RE2's syntax and RE2's promise: time in proportion to the text, whatever the
// pattern. Back-references and look-around are refused, as RE2 refuses them.
//
// What always holds: nothing is thrown at the caller; a pattern is bounded in length and in the size of what
// it compiles to, which is told beforehand, for compiling a large one takes seconds; the work of a match is
// told before it is done.

import { RE2JS } from 're2js';
import { limits } from '../../limits.ts';
import { Fault } from './values.ts';
import type { Work } from './values.ts';

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

/** The pattern for an evaluation that pays for its being compiled, if it has to be. */
export function patternFor(text: string, work: Work): RE2JS | Fault {
  if (!seen.has(text)
    && !work.spend(Math.min(sizeOfPattern(text), limits.celPatternProgramMax) * 40)) return tooLarge;
  return compilePattern(text);
}

const tooLarge = new Fault('error parsing regexp: expression too large');

const repeat = /\{(\d+)(?:,(\d*))?\}/y;

/**
 * About how many instructions the pattern compiles to, found without compiling it: repetitions are unfolded,
 * and those within others multiply.
 */
export function sizeOfPattern(text: string): number {
  const outer: number[] = [];
  let group = 0, last = 0;
  const atom = (size: number): void => { group += size; last = size; };
  for (let at = 0; at < text.length; at++) {
    const ch = text.charAt(at);
    if (ch === '\\') {
      const isClass = /[pP]/.test(text.charAt(at + 1)), end = text.indexOf('}', at);
      atom(isClass ? 20 : 1);
      // A class of Unicode has one letter, or a name in braces.
      at += !isClass ? 1 : text.charAt(at + 2) === '{' && end > 0 ? end - at : 2;
    } else if (ch === '[') {
      const end = text.indexOf(']', at + 2);
      atom(2);
      at = end < 0 ? text.length : end;
    } else if (ch === '(') {
      outer.push(group);
      group = 0;
    } else if (ch === ')') {
      const inside = group + 2;
      group = outer.pop() ?? 0;
      atom(inside);
    } else if (ch === '{') {
      repeat.lastIndex = at;
      const found = repeat.exec(text);
      if (found === null) { atom(1); continue; }
      const times = Math.max(1, Number(found[1]), Number(found[2] ?? 0));
      group += last * (times - 1);
      last *= times;
      at += found[0].length - 1;
    } else atom(1);
    if (group > limits.celPatternProgramMax) return group;
  }
  return outer.reduce((total, size) => total + size, group);
}

function compiledOnce(text: string): RE2JS | Fault {
  if (text.length > limits.celPatternSizeMax) return tooLarge;
  if (sizeOfPattern(text) > limits.celPatternProgramMax) return tooLarge;
  try {
    const pattern = RE2JS.compile(text);
    return pattern.programSize() > limits.celPatternProgramMax
      ? tooLarge : pattern;
  } catch (error) {
    return new Fault(error instanceof Error ? error.message : String(error));
  }
}

/** Steps of the machine, at worst, for a text of this size. */
export const patternWork = (pattern: RE2JS, text: string): number =>
  Math.ceil(pattern.programSize() * (text.length + 1) / 64);
