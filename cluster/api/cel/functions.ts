// How functions are told to the checker and the evaluator: one line each, signature and body.
//
//     method('string.charAt(int) string', (text, index) => …)      'abc'.charAt(1)
//     global('duration(string) duration', (text) => …)             duration('1h')
//
// What always holds: a body gets values of the kinds that its signature names, and gives a value or a Fault.

import { compareNumbers } from './values.ts';
import { Fault, kindOf, textSize } from './values.ts';
import type { CelMap, List, Opaque, Value, Work } from './values.ts';
import { signature } from './types.ts';
import type { CelType, Signature } from './types.ts';

export type Body = (args: readonly Value[], work: Work) => Value | Fault;
/** What a call costs by Kubernetes' rules, once its result is known; 1 where nothing is said. */
export type Cost = (args: readonly Value[], result: Value | Fault) => number;

export interface Overload extends Signature { readonly body: Body; readonly cost: Cost }

export const nominal: Cost = () => 1;

type Args = never[];

function overload(
  text: string, member: boolean, body: (...args: Args) => Value | Fault, cost: Cost): Overload {
  const call = body as unknown as (...args: unknown[]) => Value | Fault;
  return { ...signature(text, member), body: (args, work) => call(...args, work), cost };
}

export const method =
  (text: string, body: (...args: Args) => Value | Fault, cost: Cost = nominal): Overload =>
  overload(text, true, body, cost);

export const global =
  (text: string, body: (...args: Args) => Value | Fault, cost: Cost = nominal): Overload =>
  overload(text, false, body, cost);

// ── cost ─────────────────────────────────────────────────────────────────────────────────────────────────

/** A tenth of a unit per code point, byte or item, as Kubernetes counts it. */
const perItem = 0.1, perPatternItem = 0.25;

export function sizeOf(value: Value | Fault | undefined): number {
  if (typeof value === 'string') return textSize(value);
  if (value instanceof Uint8Array) return value.length;
  if (value === undefined || value === null || value instanceof Fault) return 1;
  switch (kindOf(value)) {
    case 'list': return (value as List).size;
    case 'map': case 'object': return (value as CelMap).size;
    case 'opaque': return (value as Opaque).text.length;
    default: return 1;
  }
}

export const traversal = (factor = 1, at = 0): Cost => (args) =>
  Math.ceil(sizeOf(args[at]) * factor * perItem);
export const ofResult: Cost = (_, result) => Math.ceil(sizeOf(result) * 2 * perItem);
export const ofBoth: Cost = ([a, b]) => Math.ceil((sizeOf(a) + sizeOf(b)) * perItem);
export const ofShorter: Cost = ([a, b]) => Math.ceil(Math.min(sizeOf(a), sizeOf(b)) * perItem);
export const ofProduct: Cost = ([a, b]) => Math.ceil(sizeOf(a) * perItem) * Math.ceil(sizeOf(b) * perItem);
export const ofPattern: Cost = ([a, b]) =>
  Math.ceil((1 + sizeOf(a)) * perItem) * Math.ceil(sizeOf(b) * perPatternItem);
/** Every item once; texts and bytes by their size. */
export const ofItems: Cost = ([value]) => sizeOf(value);

// ── order ────────────────────────────────────────────────────────────────────────────────────────────────

export { compareNumbers };

/** Whether a value may be handed to a parameter of this type. */
export function fits(value: Value, type: CelType): boolean {
  switch (type.kind) {
    case 'dyn': case 'param': case 'free': case 'error': return true;
    case 'map': { const kind = kindOf(value); return kind === 'map' || kind === 'object'; }
    case 'object': { const kind = kindOf(value); return kind === 'map' || kind === 'object'; }
    case 'opaque': return kindOf(value) === 'opaque' && (value as Opaque).type === type.name;
    default: return kindOf(value) === type.kind;
  }
}
