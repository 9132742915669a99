// Sums of quantities by name, as quotas are counted in: exact, and written as Kubernetes writes them.
// Source of facts: Kubernetes apiserver pkg/quota/v1/resources.go, apimachinery pkg/api/resource (a sum keeps
// the format of what it was added to, unless that was zero).
// What always holds: a name is looked up in maps only, so that no name means anything of itself.

import { formatQuantity, parseQuantity } from '../quantity.ts';
import type { Quantity } from '../quantity.ts';
import { fieldsOf } from '../resources/fields.ts';
import type { ResourceList } from '../types.ts';

export type Amounts = ReadonlyMap<string, Quantity>;

export const zero: Quantity = { nano: 0n, format: 'decimal' };

export const whole = (count: number): Quantity =>
  ({ nano: BigInt(count) * 1_000_000_000n, format: 'decimal' });

/** What a list of an object says; what is no quantity in it is left out. */
export function amountsOf(list: unknown): Map<string, Quantity> {
  const amounts = new Map<string, Quantity>();
  for (const [name, text] of Object.entries(fieldsOf(list))) {
    const quantity = parseQuantity(String(text));
    if (quantity !== null) amounts.set(name, quantity);
  }
  return amounts;
}

export function plus(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano + b.nano, format: a.nano === 0n ? b.format : a.format };
}

export const times = ({ nano, format }: Quantity, count: number): Quantity =>
  ({ nano: nano * BigInt(count), format });

/** Adds to what the map has under the name. */
export function addTo(amounts: Map<string, Quantity>, name: string, quantity: Quantity): void {
  const known = amounts.get(name);
  amounts.set(name, known === undefined ? quantity : plus(known, quantity));
}

/** Raises what the map has under the name, if it is less. */
export function raiseTo(amounts: Map<string, Quantity>, name: string, quantity: Quantity): void {
  const known = amounts.get(name);
  if (known === undefined || known.nano < quantity.nano) amounts.set(name, quantity);
}

/** As an object holds it, sorted by name. */
export function listOf(amounts: Amounts): ResourceList {
  return Object.fromEntries(sortedNames(amounts).map((name) =>
    [name, formatQuantity(amounts.get(name) ?? zero)] as const));
}

/** `pods=1,requests.cpu=100m`: some of the amounts, for messages. */
export function shownAmounts(amounts: Amounts, names: readonly string[]): string {
  return names.filter((name) => amounts.has(name))
    .map((name) => `${name}=${formatQuantity(amounts.get(name) ?? zero)}`).join(',');
}

export const sortedNames = (amounts: ReadonlyMap<string, unknown>): readonly string[] =>
  [...amounts.keys()].sort();

/** Whether both have the same names and the same values, whatever their formats. */
export function sameAmounts(a: Amounts, b: Amounts): boolean {
  if (a.size !== b.size) return false;
  for (const [name, { nano }] of a) if (b.get(name)?.nano !== nano) return false;
  return true;
}
