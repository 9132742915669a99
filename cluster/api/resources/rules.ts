// Rules of validation as data: each names a path and what must hold there, in Kubernetes' words. A kind lists
// its rules; what no rule here can say is a function of its own in the list (`each`).
//
// Paths are those of `eachAt` in fields.ts. Source: apimachinery util/validation, and each API group's own.
// What always holds: errors come in the order of the list.

import { compareQuantities, quantityFormatMessage } from '../quantity.ts';
import type { KubeObject, LabelSelector, StatusCause } from '../types.ts';
import { at, eachAt, fieldsOf, isMissing } from './fields.ts';
import { labelKeyErrors, nameErrors, validateLabels } from './names.ts';
import { validateLabelSelector } from './workload.ts';
import {
  duplicate, forbidden, immutableMessage, invalid, invalidEach, nonNegativeMessage, notSupported, required,
  sameJson,
} from './validate.ts';
import type { Errors, Loose } from './validate.ts';

export type Rule = (errors: Errors, object: KubeObject, old: KubeObject | null, subresource: string) => void;

/** All of the rules, for `Resource.validate`. */
export const judge = (...rules: readonly Rule[]) =>
  (object: KubeObject, old: KubeObject | null, subresource = ''): readonly StatusCause[] => {
    const errors: Errors = [];
    for (const rule of rules) rule(errors, object, old, subresource);
    return errors;
  };

export type Visit = (errors: Errors, value: unknown, path: string, object: KubeObject) => void;

/** A rule of one's own for each value at the path. */
export const each = (path: string, visit: Visit): Rule => (errors, object) =>
  eachAt(object, path, (value, here) => visit(errors, value, here, object));

export const onCreate = (...rules: readonly Rule[]): Rule => (errors, object, old, subresource) => {
  if (old === null) for (const rule of rules) rule(errors, object, old, subresource);
};

type UpdateRule = (errors: Errors, object: KubeObject, old: KubeObject, subresource: string) => void;

export const onUpdate = (rule: UpdateRule): Rule => (errors, object, old, subresource) => {
  if (old !== null) rule(errors, object, old, subresource);
};

/** Required, with this detail. */
export const need = (path: string, detail = ''): Rule => each(path, (errors, value, here) => {
  if (isMissing(value)) required(errors, here, detail);
});

/** Where it is given: one of these. */
export const among = (path: string, values: readonly string[]): Rule => each(path, (errors, value, here) => {
  if (value === undefined || value === null) return;
  if (!values.includes(String(value))) notSupported(errors, here, value, values);
});

/** Required, and one of these. */
export const mustBe = (path: string, values: readonly string[]): Rule => each(path, (errors, value, here) => {
  if (isMissing(value)) required(errors, here);
  else if (!values.includes(String(value))) notSupported(errors, here, value, values);
});

export const atLeast = (
  path: string, min: number, message = `must be greater than or equal to ${min}`,
): Rule =>
  each(path, (errors, value, here) => {
    if (typeof value === 'number' && value < min) invalid(errors, here, value, message);
  });

export const atMost = (path: string, max: number, message = `must be less than or equal to ${max}`): Rule =>
  each(path, (errors, value, here) => {
    if (typeof value === 'number' && value > max) invalid(errors, here, value, message);
  });

/** A text of this shape, where it is given. */
export const shaped = (path: string, wrong: (text: string) => readonly string[]): Rule =>
  each(path, (errors, value, here) => {
    if (typeof value === 'string' && value !== '') invalidEach(errors, here, value, wrong(value));
  });

/** A text of this shape, required. */
export const named = (path: string, wrong: (text: string) => readonly string[], detail = ''): Rule =>
  each(path, (errors, value, here) => {
    if (typeof value !== 'string' || value === '') required(errors, here, detail);
    else invalidEach(errors, here, value, wrong(value));
  });

export const subdomain = (text: string): readonly string[] => nameErrors(text, 'subdomain');
export const label = (text: string): readonly string[] => nameErrors(text, 'label');
export const pathSegment = (text: string): readonly string[] => nameErrors(text, 'path-segment');
export const qualified = (text: string): readonly string[] => labelKeyErrors(text.toLowerCase());

/** Never changed once stored. `path` names plain fields only. */
export const fixed = (path: string, message = immutableMessage): Rule => onUpdate((errors, object, old) => {
  const value = at(object, path);
  if (!sameJson(value, at(old, path))) invalid(errors, path, value, message);
});

/** As `fixed`, told as Forbidden. */
export const frozen = (path: string, message: string): Rule => onUpdate((errors, object, old) => {
  if (!sameJson(at(object, path), at(old, path))) forbidden(errors, path, message);
});

/** Items of a list that must differ in this field; empty `field`: in themselves. */
export const unique = (list: string, field: string): Rule => (errors, object) => {
  eachAt(object, list, (items, path) => {
    if (!Array.isArray(items)) return;
    const seen = new Set<unknown>();
    for (const [i, item] of items.entries()) {
      const value = field === '' ? item : fieldsOf(item)[field];
      if (isMissing(value)) continue;
      if (seen.has(value)) {
        duplicate(errors, field === '' ? `${path}[${i}]` : `${path}[${i}].${field}`, value);
      }
      seen.add(value);
    }
  });
};

/** A label selector, where there is one. */
export const selector = (path: string): Rule => each(path, (errors, value, here) => {
  if (value !== undefined) validateLabelSelector(errors, fieldsOf(value) as Loose<LabelSelector>, here);
});

export const labels = (path: string): Rule => each(path, (errors, value, here) =>
  validateLabels(errors, here, fieldsOf(value) as Readonly<Record<string, string>>));

/** A quantity of zero or more; with `positive`, of more than zero. */
export const amount = (path: string, positive = false): Rule => each(path, (errors, value, here) => {
  if (value !== undefined) validateAmount(errors, value, here, positive);
});

export function validateAmount(errors: Errors, value: unknown, path: string, positive: boolean): void {
  const sign = compareQuantities(String(value), '0');
  if (sign === null) invalid(errors, path, value, quantityFormatMessage);
  else if (sign < 0 && !positive) invalid(errors, path, value, nonNegativeMessage);
  else if (sign <= 0 && positive) invalid(errors, path, value, 'must be greater than zero');
}
