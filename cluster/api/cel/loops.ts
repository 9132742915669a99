// The macros over lists and maps: all, exists, existsOne, map, filter, transformList, transformMap.
//
// `all` and `exists` go on past an error, for a later item may decide; all others end with it.
// Source of facts: cel-spec langdef.md (macros), cel-go parser/macro.go and ext/comprehensions.go, from which
// also follows what a round costs: as much as the loop that the macro stands for.

import type { Loop } from './ast.ts';
import { spent } from './meter.ts';
import type { Frame, Planner, Step } from './plan.ts';
import {
  BuiltMap, CelMap, Fault, isFault, kindOf, keyText, List, noSuchOverload,
} from './values.ts';
import type { Value } from './values.ts';

export function planLoop(expr: Loop, names: readonly string[], planner: Planner): Step {
  const over = planner.plan(expr.over, names), depth = names.length;
  const inside = [...names, ...expr.names], two = expr.names.length === 2;
  const body = planner.plan(expr.body, inside);
  const filter = expr.filter === null ? null : planner.plan(expr.filter, inside);
  const round: Round = roundOf(expr);
  return (frame) => {
    const range = over(frame);
    if (isFault(range)) return range;
    if (!(range instanceof List) && !(range instanceof CelMap)) {
      return new Fault(`got 'types.${goName(range)}', expected iterable type`);
    }
    const keys = range instanceof CelMap ? range.keys() : null, size = range.size;
    const result = round.begin();
    for (let at = 0; at < size; at++) {
      if (!frame.meter.charge(round.price) || !frame.meter.spend(1)) return spent;
      const key = keys === null ? BigInt(at) : keys[at] ?? null;
      const item = range instanceof List ? range.at(at) : range.get(key) ?? null;
      if (two) {
        frame.locals[depth] = key;
        frame.locals[depth + 1] = item;
      } else frame.locals[depth] = keys === null ? item : key;
      if (filter !== null) {
        const kept = filter(frame);
        if (isFault(kept)) return kept;
        if (typeof kept !== 'boolean') return noSuchOverload;
        if (!kept) continue;
      }
      const done = result.add(body(frame), frame, two ? key : frame.locals[depth] ?? null);
      if (frame.meter.out) return spent;
      if (done !== null) return done;
    }
    return frame.meter.charge(round.endPrice) ? result.end() : spent;
  };
}

interface Round {
  /** What a round costs besides the body. */
  readonly price: number;
  readonly endPrice: number;
  readonly begin: () => Gathered;
}

interface Gathered {
  /** Null: go on. `key`: the index or the key; the item itself where there is one name. */
  readonly add: (value: Value | Fault, frame: Frame, key: Value) => Value | Fault | null;
  readonly end: () => Value | Fault;
}

function roundOf({ kind }: Loop): Round {
  switch (kind) {
    case 'all': return { price: 3, endPrice: 1, begin: () => deciding(false) };
    case 'exists': return { price: 4, endPrice: 1, begin: () => deciding(true) };
    case 'existsOne': return { price: 0, endPrice: 2, begin: counting };
    case 'filter': return { price: 0, endPrice: 1, begin: () => listing(true) };
    case 'map': case 'transformList': return { price: 0, endPrice: 1, begin: () => listing(false) };
    case 'transformMap': return { price: 1, endPrice: 1, begin: mapping };
    case 'transformMapEntry': return { price: 1, endPrice: 1, begin: mappingEntries };
  }
}

function deciding(decides: boolean): Gathered {
  let wrong: Fault | null = null;
  return {
    add(value, { meter }) {
      // The loop's condition is looked at once more, and its result is read.
      if (value === decides) return meter.charge(4) ? decides : spent;
      if (value !== !decides) wrong ??= isFault(value) ? value : noSuchOverload;
      return null;
    },
    end: () => wrong ?? !decides,
  };
}

function counting(): Gathered {
  let count = 0;
  return {
    add(value, { meter }) {
      if (isFault(value)) return value;
      if (typeof value !== 'boolean') return noSuchOverload;
      if (value) count += 1;
      return !value || meter.charge(2) ? null : spent;
    },
    end: () => count === 1,
  };
}

function listing(filters: boolean): Gathered {
  const items: Value[] = [];
  return {
    add(value, { meter }, key) {
      if (isFault(value)) return value;
      if (filters && typeof value !== 'boolean') return noSuchOverload;
      if (filters && value === false) return null;
      items.push(filters ? key : value);
      return meter.charge((filters ? 12 : 11) + Math.ceil(items.length / 10)) ? null : spent;
    },
    end: () => new List(items),
  };
}

function mapping(): Gathered {
  const entries = new Map<string, readonly [Value, Value]>();
  return {
    add(value, _, key) {
      if (isFault(value)) return value;
      entries.set(keyText(key) ?? '', [key, value]);
      return null;
    },
    end: () => new BuiltMap(entries),
  };
}

/** Each round gives a map of its own, and no key twice. */
function mappingEntries(): Gathered {
  const entries = new Map<string, readonly [Value, Value]>();
  return {
    add(value) {
      if (isFault(value)) return value;
      if (!(value instanceof CelMap)) return noSuchOverload;
      for (const key of value.keys()) {
        const text = keyText(key) ?? '';
        if (entries.has(text)) return new Fault(`insert failed: key ${text.slice(1)} already exists`);
        entries.set(text, [key, value.get(key) ?? null]);
      }
      return null;
    },
    end: () => new BuiltMap(entries),
  };
}

/** cel-go names its Go type. */
function goName(value: Value): string {
  const kind = kindOf(value);
  return kind.charAt(0).toUpperCase() + kind.slice(1);
}
