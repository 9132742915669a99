// A request's query, decoded and checked. Unknown parameters are passed over, as Kubernetes does.

import { badRequest } from './status.ts';
import type { Problem } from './status.ts';

export type Query = ReadonlyMap<string, string>;

/** The first value of each parameter. */
export function parseQuery(text: string): Query | Problem {
  const found = new Map<string, string>();
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    const cut = pair.indexOf('='), name = cut < 0 ? pair : pair.slice(0, cut), value = cut < 0 ? '' : pair.slice(cut + 1);
    try {
      const key = decodeURIComponent(name.replaceAll('+', ' '));
      if (!found.has(key)) found.set(key, decodeURIComponent(value.replaceAll('+', ' ')));
    } catch {
      return badRequest('the query is not percent-encoded as it should be');
    }
  }
  return found;
}

export function flag(query: Query, name: string): boolean {
  const value = query.get(name);
  return value === '' || value === '1' || value === 'true' || value === 'True' || value === 'TRUE' || value === 't';
}

/** A whole number ≥ 0; null where it is not given. */
export function wholeNumber(query: Query, name: string): number | null | Problem {
  const text = query.get(name);
  if (text === undefined || text === '') return null;
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    return badRequest(`invalid value of the query parameter ${name}: "${text}" is not a whole number of zero or more`);
  }
  return value;
}
