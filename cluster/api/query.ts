// A request's query, decoded and checked. Unknown parameters are passed over, as Kubernetes does.

import { limits } from '../limits.ts';
import { badRequest } from './status.ts';
import type { Problem } from './status.ts';

export type Query = ReadonlyMap<string, string>;

/** The first value of each parameter. */
export function parseQuery(text: string): Query | Problem {
  const found = new Map<string, string>();
  const pairs = text.split('&');
  if (pairs.length > limits.queryParametersMax) {
    return badRequest(`the query has more than ${limits.queryParametersMax} parameters`);
  }
  for (const pair of pairs) {
    if (pair === '') continue;
    const cut = pair.indexOf('='), name = decoded(cut < 0 ? pair : pair.slice(0, cut));
    const value = decoded(cut < 0 ? '' : pair.slice(cut + 1));
    if (name === null || value === null) return badRequest('the query is not percent-encoded as it must be');
    if (!found.has(name)) found.set(name, value);
  }
  return found;
}

/** All values of one parameter, in their order; of a query that `parseQuery` took. */
export function everyValue(text: string, name: string): readonly string[] {
  return text.split('&').flatMap((pair) => {
    const cut = pair.indexOf('=');
    if (pair === '' || decoded(cut < 0 ? pair : pair.slice(0, cut)) !== name) return [];
    return [decoded(cut < 0 ? '' : pair.slice(cut + 1)) ?? ''];
  });
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}

/** As Kubernetes reads a boolean: given at all means true, unless it says `false` or `0`. */
export function flag(query: Query, name: string): boolean {
  const value = query.get(name);
  return value !== undefined && value.toLowerCase() !== 'false' && value !== '0';
}

/** A whole number ≥ 0; null where it is not given. */
export function wholeNumber(query: Query, name: string): number | null | Problem {
  const text = query.get(name);
  if (text === undefined || text === '') return null;
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    const shown = JSON.stringify(text);
    return badRequest(`${name}: Invalid value: ${shown}: must be a whole number of zero or more`);
  }
  return value;
}
