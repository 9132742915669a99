// Which type may stand for which, and what the letters of a signature turn out to be.
//
// Source of facts: cel-go checker (assignability; null for objects, times and opaque values; dyn for all).
// What always holds: what a failed attempt has learnt is forgotten again.

import { types } from './types.ts';
import type { CelType, Signature } from './types.ts';

export class Unifier {
  readonly #bound = new Map<number, CelType>();
  #next = 0;

  free(): CelType {
    this.#next += 1;
    return { kind: 'free', id: this.#next };
  }

  /** A signature with letters of its own. */
  fresh({ params, result }: Signature): { params: readonly CelType[]; result: CelType } {
    const letters = new Map<string, CelType>();
    const copy = (type: CelType): CelType => {
      switch (type.kind) {
        case 'param': {
          const known = letters.get(type.name) ?? this.free();
          letters.set(type.name, known);
          return known;
        }
        case 'list': case 'optional': return { ...type, of: copy(type.of) };
        case 'map': return { ...type, key: copy(type.key), value: copy(type.value) };
        case 'type': return type.of === null ? type : { ...type, of: copy(type.of) };
        default: return type;
      }
    };
    return { params: params.map(copy), result: copy(result) };
  }

  /** What is known of the type itself; what is in it may be free yet. */
  known(type: CelType): CelType {
    let at = type;
    while (at.kind === 'free') {
      const next = this.#bound.get(at.id);
      if (next === undefined) return at;
      at = next;
    }
    return at;
  }

  /** The type with all that is known; what never was found out is dyn. */
  settled(type: CelType): CelType {
    const known = this.known(type);
    switch (known.kind) {
      case 'free': return types.dyn;
      case 'list': case 'optional': return { ...known, of: this.settled(known.of) };
      case 'map': return { ...known, key: this.settled(known.key), value: this.settled(known.value) };
      case 'type': return known.of === null ? known : { ...known, of: this.settled(known.of) };
      default: return known;
    }
  }

  /** Whether all the values may stand for the targets; if so, what is learnt by it is kept. */
  assign(targets: readonly CelType[], values: readonly CelType[]): boolean {
    if (targets.length !== values.length) return false;
    const learnt: number[] = [];
    const fine = targets.every((target, at) => this.#may(target, values[at] ?? types.dyn, learnt));
    if (!fine) for (const id of learnt) this.#bound.delete(id);
    return fine;
  }

  /** The type of both, or null where they have none in common. */
  join(a: CelType, b: CelType): CelType | null {
    if (!this.assign([a], [b])) return null;
    const left = this.known(a), right = this.known(b);
    return left.kind === 'dyn' || left.kind === 'error' ? left : right.kind === 'dyn' ? right
      : left.kind === 'null' ? right : left;
  }

  #may(to: CelType, from: CelType, learnt: number[]): boolean {
    const target = this.known(to), value = this.known(from);
    if (target === value) return true;
    if (target.kind === 'free') return this.#bind(target.id, value, learnt);
    if (value.kind === 'free') return this.#bind(value.id, target, learnt);
    if (anything(target) || anything(value)) return true;
    if (value.kind === 'null' || target.kind === 'null') {
      return nullable(target.kind === 'null' ? value : target);
    }
    switch (target.kind) {
      case 'list': return value.kind === 'list' && this.#may(target.of, value.of, learnt);
      case 'optional': return value.kind === 'optional' && this.#may(target.of, value.of, learnt);
      case 'map':
        return value.kind === 'map' && this.#may(target.key, value.key, learnt)
          && this.#may(target.value, value.value, learnt);
      case 'object': return value.kind === 'object' && value.name === target.name;
      case 'opaque': return value.kind === 'opaque' && value.name === target.name;
      default: return target.kind === value.kind;
    }
  }

  #bind(id: number, type: CelType, learnt: number[]): boolean {
    if (type.kind === 'free' && type.id === id) return true;
    if (this.#within(id, type)) return false;
    this.#bound.set(id, type);
    learnt.push(id);
    return true;
  }

  #within(id: number, type: CelType): boolean {
    const known = this.known(type);
    switch (known.kind) {
      case 'free': return known.id === id;
      case 'list': case 'optional': return this.#within(id, known.of);
      case 'map': return this.#within(id, known.key) || this.#within(id, known.value);
      case 'type': return known.of !== null && this.#within(id, known.of);
      default: return false;
    }
  }
}

const anything = ({ kind }: CelType): boolean => kind === 'dyn' || kind === 'error';

function nullable({ kind }: CelType): boolean {
  return kind === 'null' || kind === 'object' || kind === 'opaque' || kind === 'optional'
    || kind === 'timestamp'
    || kind === 'duration';
}
