// The guard at the trust boundary: takes a decoded array apart, field by field, and checks type, range and
// length of each. What it hands out has the type it says; the rest of the core need not look again.
// What always holds: anything amiss ends in one `Malformed`, which `guarded` turns into a value.

import { index, peerId, term } from '../ids.ts';
import type { Index, PeerId, Term } from '../ids.ts';
import { limits } from '../limits.ts';

/** Bytes that are no message: why, for the trace. The sender broke the protocol; nothing is answered. */
export interface WireRefusal { readonly refused: string }

export function isRefusal(value: object): value is WireRefusal {
  return Object.hasOwn(value, 'refused');
}

/** Private to the wire: never leaves `guarded`. */
class Malformed extends Error {}

export function malformed(why: string): never {
  throw new Malformed(why);
}

/** The result of `read`, or the refusal that a `Malformed` inside it stands for. */
export function guarded<T>(read: () => T): T | WireRefusal {
  try {
    return read();
  } catch (error) {
    if (error instanceof Malformed) return { refused: error.message };
    throw error;
  }
}

export class Fields {
  readonly #values: readonly unknown[];
  #at = 0;

  constructor(value: unknown, what: string) {
    if (!Array.isArray(value)) malformed(`${what} is no array`);
    this.#values = value;
  }

  /** Fields not read yet. */
  get left(): number { return this.#values.length - this.#at; }

  #next(what: string): unknown {
    if (this.#at >= this.#values.length) malformed(`${what} is missing`);
    return this.#values[this.#at++];
  }

  integer(what: string, max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#next(what);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max) {
      malformed(`${what} is no integer from 0 to ${max}`);
    }
    return value + 0;
  }

  flag(what: string): boolean {
    const value = this.#next(what);
    if (typeof value !== 'boolean') malformed(`${what} is no boolean`);
    return value;
  }

  text(what: string, lengthMax: number): string {
    const value = this.#next(what);
    if (typeof value !== 'string') malformed(`${what} is no text`);
    if (value.length > lengthMax) malformed(`${what} is longer than ${lengthMax}`);
    return value;
  }

  bytes(what: string, lengthMax: number): Uint8Array {
    const value = this.#next(what);
    if (!(value instanceof Uint8Array)) malformed(`${what} is no byte string`);
    if (value.length > lengthMax) malformed(`${what} is longer than ${lengthMax} bytes`);
    return value;
  }

  /** One of a table's words, sent as its position. */
  word<T>(what: string, words: readonly T[]): T {
    const word = words[this.integer(what, words.length - 1)];
    if (word === undefined) malformed(`${what} is unknown`);
    return word;
  }

  peer(what: string): PeerId {
    const value = this.text(what, limits.peerIdLengthMax);
    if (!printable.test(value)) malformed(`${what} is no peer id`);
    return peerId(value);
  }

  term(what: string): Term { return term(this.integer(what)); }

  index(what: string): Index { return index(this.integer(what)); }

  /** What `read` makes of the field, or null where null stands. */
  orNull<T>(read: (fields: Fields) => T): T | null {
    if (this.#values[this.#at] === null) {
      this.#at += 1;
      return null;
    }
    return read(this);
  }

  /** The fields of a nested array. */
  nested(what: string): Fields { return new Fields(this.#next(what), what); }

  /** A nested array of at most `max` items, each read by `read` from the array's own fields. */
  list<T>(what: string, max: number, read: (items: Fields) => T): T[] {
    const items = this.nested(what);
    const result: T[] = [];
    while (items.left > 0) {
      if (result.length >= max) malformed(`${what} has more than ${max} items`);
      result.push(read(items));
    }
    return result;
  }

  /** Nothing may follow: a field too many is as wrong as one missing. */
  end(what: string): void {
    if (this.left > 0) malformed(`${what} has ${this.left} fields too many`);
  }
}

const printable = /^[!-~]+$/;
