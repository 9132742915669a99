// Patterns of schemas: the syntax and the meaning of RE2, which Kubernetes uses, and its linear time. A
// pattern is compiled once and kept; a bounded number of them is.

import { RE2JS } from 're2js';
import { limits } from '../../limits.ts';

const compiled = new Map<string, RE2JS>();

/** Whether the text holds what the pattern looks for; null where the pattern is none. */
export function matches(pattern: string, text: string): boolean | null {
  const expression = expressionOf(pattern);
  return typeof expression === 'string' ? null : expression.matcher(text).find();
}

/** Why this is no pattern; null where it is one. */
export function patternError(pattern: string): string | null {
  const expression = expressionOf(pattern);
  return typeof expression === 'string' ? expression : null;
}

function expressionOf(pattern: string): RE2JS | string {
  const known = compiled.get(pattern);
  if (known !== undefined) return known;
  let expression: RE2JS;
  try {
    expression = RE2JS.compile(pattern);
  } catch (error) {
    return error instanceof Error ? error.message : 'it can not be read';
  }
  if (compiled.size >= limits.patternsKept) {
    // The oldest goes: patterns are asked for again and again, or never.
    const [oldest] = compiled.keys();
    if (oldest !== undefined) compiled.delete(oldest);
  }
  compiled.set(pattern, expression);
  return expression;
}
