// Assertions stay on in production: a broken invariant must stop the peer before it spreads.

/**
 * Crashes with `message` unless `condition` holds. For programmer errors only; operating errors are values.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}

/** Ends a switch over a union: the type checker proves that it can't be reached. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`unreachable: ${JSON.stringify(value)}`);
}

/** `value`, which must be there. */
export function present<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new AssertionFailure(`missing: ${what}`);
  return value;
}

export class AssertionFailure extends Error {
  override name = 'AssertionFailure';
}
