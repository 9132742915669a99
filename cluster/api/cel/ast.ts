// An expression as a tree. Macros (`all`, `map`, `has` …) are nodes of their own, not the loops that the
// language definition unfolds them to: shorter to check, and their cost is told as if they were unfolded.
// What always holds: a tree is at most as deep as `limits.celDepthMax`, so that whoever walks it may recurse.

import type { Uint } from './values.ts';

/** `at`: the place for messages, in UTF-16 units; of a call its bracket, of an operator its sign. */
export type Expr =
  | { readonly type: 'const'; readonly at: number;
    readonly value: bigint | number | string | boolean | null | Uint | Uint8Array }
  | { readonly type: 'name'; readonly at: number; readonly name: string }
  | { readonly type: 'select'; readonly at: number; readonly of: Expr; readonly field: string;
    readonly optional: boolean }
  | { readonly type: 'has'; readonly at: number; readonly of: Expr; readonly field: string }
  | { readonly type: 'index'; readonly at: number; readonly of: Expr; readonly index: Expr;
    readonly optional: boolean }
  /** Operators too, under names as of `_+_`. `target`: what stands before the dot. */
  | Call
  | { readonly type: 'all' | 'any'; readonly at: number; readonly args: readonly Expr[] }
  | { readonly type: 'choice'; readonly at: number; readonly condition: Expr; readonly then: Expr;
    readonly other: Expr }
  | { readonly type: 'list'; readonly at: number; readonly items: readonly Item[] }
  | { readonly type: 'map'; readonly at: number; readonly entries: readonly Entry[] }
  | { readonly type: 'object'; readonly at: number; readonly name: string;
    readonly fields: readonly { readonly at: number; readonly name: string; readonly value: Expr;
      readonly optional: boolean }[] }
  | Loop
  | Bound;

export interface Call {
  readonly type: 'call'; readonly at: number; readonly name: string; readonly target: Expr | null;
  readonly args: readonly Expr[];
}

export interface Item { readonly value: Expr; readonly optional: boolean }
export interface Entry {
  readonly at: number; readonly key: Expr; readonly value: Expr; readonly optional: boolean;
}

export type LoopKind = 'all' | 'exists' | 'existsOne' | 'map' | 'filter' | 'transformList' | 'transformMap'
  | 'transformMapEntry';

/** A macro over a list or a map. With two names, the first is the index or the key. */
export interface Loop {
  readonly type: 'loop'; readonly at: number; readonly kind: LoopKind; readonly over: Expr;
  readonly names: readonly string[];
  readonly filter: Expr | null;
  /** The predicate, or what an item turns into. */
  readonly body: Expr;
}

/** `o.optMap(x, body)` and `o.optFlatMap(x, body)`. */
export interface Bound {
  readonly type: 'optMap'; readonly at: number; readonly flat: boolean; readonly of: Expr;
  readonly name: string; readonly body: Expr;
}
