// Work that the peers of a large world would each do alike, done once for all of them: what the bytes of the
// commit feed say, and what a command comes to upon the state that all have. A thousand peers would otherwise
// hold a thousand copies of every object.
//
// What always holds: small worlds have no such port, so that there every peer works out everything itself and
// is compared with the others by digest.

import type { OncePort } from '../../cluster/ports.ts';

/** Worlds of so many peers and more share their work. */
export const sharedFrom = 100;

export function createOnce(): OncePort {
  const known = new WeakMap<object, Map<string, unknown>>();
  return <T>(on: object, labelOf: () => string, work: () => T): T => {
    const label = labelOf();
    let results = known.get(on);
    if (results === undefined) known.set(on, results = new Map());
    if (results.has(label)) return results.get(label) as T;
    const result = work();
    results.set(label, result);
    return result;
  };
}
