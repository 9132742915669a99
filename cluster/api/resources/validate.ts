// Field errors, in the shape and the words of Kubernetes: a path, a reason, why the value is refused.
// A validator gets a list and adds to it, so that a client hears of every mistake at once.
//
// Source: apimachinery util/validation/field. `StatusCause.message` is what follows the path:
// `Invalid value: -1: must be greater than or equal to 0`.

import type { StatusCause } from '../types.ts';

export type Errors = StatusCause[];

/** An object as a client may have sent it: any field may be missing. */
export type Loose<T> =
  T extends readonly (infer U)[] ? readonly Loose<U>[]
  : T extends object ? { readonly [K in keyof T]?: Loose<T[K]> | undefined }
  : T;

export const nonNegativeMessage = 'must be greater than or equal to 0';
export const immutableMessage = 'field is immutable';
export const rangeMessage = (min: number, max: number): string =>
  `must be between ${min} and ${max}, inclusive`;

export function required(errors: Errors, field: string, detail = ''): void {
  add(errors, 'FieldValueRequired', field, 'Required value', detail);
}

export function invalid(errors: Errors, field: string, value: unknown, detail: string): void {
  add(errors, 'FieldValueInvalid', field, `Invalid value: ${show(value)}`, detail);
}

export function typeInvalid(errors: Errors, field: string, value: unknown, detail: string): void {
  add(errors, 'FieldValueTypeInvalid', field, `Invalid value: ${show(value)}`, detail);
}

export function forbidden(errors: Errors, field: string, detail: string): void {
  add(errors, 'FieldValueForbidden', field, 'Forbidden', detail);
}

export function duplicate(errors: Errors, field: string, value: unknown, detail = ''): void {
  add(errors, 'FieldValueDuplicate', field, `Duplicate value: ${show(value)}`, detail);
}

/** `supported` in the order in which it is to be shown. */
export function notSupported(
  errors: Errors, field: string, value: unknown, supported: readonly string[],
): void {
  const detail = `supported values: ${supported.map((one) => JSON.stringify(one)).join(', ')}`;
  add(errors, 'FieldValueNotSupported', field, `Unsupported value: ${show(value)}`, detail);
}

export function tooLong(errors: Errors, field: string, maxBytes: number): void {
  add(errors, 'FieldValueTooLong', field, 'Too long', `may not be more than ${maxBytes} bytes`);
}

export function tooMany(errors: Errors, field: string, actual: number, max: number): void {
  add(errors, 'FieldValueTooMany', field, `Too many: ${actual}`, `must have at most ${max} items`);
}

function add(errors: Errors, reason: string, field: string, head: string, detail: string): void {
  errors.push({ reason, field, message: detail === '' ? head : `${head}: ${detail}` });
}

/** A bad value as it is shown: strings quoted, structures as JSON. */
function show(value: unknown): string {
  return value === undefined || value === null ? 'null' : JSON.stringify(value);
}

/** Adds one Invalid per message. */
export function invalidEach(
  errors: Errors, field: string, value: unknown, messages: readonly string[],
): void {
  for (const message of messages) invalid(errors, field, value, message);
}

export function nonNegative(errors: Errors, field: string, value: number | undefined): void {
  if (value !== undefined && value < 0) invalid(errors, field, value, nonNegativeMessage);
}

/** An enumerated field: Required when empty, NotSupported when none of `supported`. */
export function oneOf(
  errors: Errors, field: string, value: string | undefined, supported: readonly string[],
): void {
  if (value === undefined || value === '') required(errors, field);
  else if (!supported.includes(value)) notSupported(errors, field, value, supported);
}

export function immutable(errors: Errors, field: string, value: unknown, old: unknown): void {
  if (!sameJson(value, old)) invalid(errors, field, value, immutableMessage);
}

/** Whether two JSON values are the same; a field that is undefined is one that is not there. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = a as Record<string, unknown>, right = b as Record<string, unknown>;
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  for (const key of keys) if (!sameJson(left[key], right[key])) return false;
  return true;
}

/** Entries of a string map in the order of its keys, so that errors come in the same order everywhere. */
export function sortedEntries<T>(map: Readonly<Record<string, T>> | undefined): [string, T][] {
  const entries = Object.entries(map ?? {});
  return entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
