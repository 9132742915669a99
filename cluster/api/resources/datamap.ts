// What ConfigMap and Secret share: keys that are file names, a size, and being frozen.

import type { KubeObject } from '../types.ts';
import { configKeyErrors } from './names.ts';
import { forbidden, invalidEach, sameJson, sortedEntries } from './validate.ts';
import type { Errors } from './validate.ts';

export function validateKeys(
  errors: Errors, field: string, data: Readonly<Record<string, string>> | undefined,
): void {
  for (const [key] of sortedEntries(data)) invalidEach(errors, `${field}[${key}]`, key, configKeyErrors(key));
}

/** Once `immutable` is set, it stays, and so does what it protects. */
export function validateFrozen(
  errors: Errors, object: KubeObject, old: KubeObject, fields: readonly string[],
): void {
  const left = object as unknown as Readonly<Record<string, unknown>>;
  const right = old as unknown as Readonly<Record<string, unknown>>;
  if (right['immutable'] !== true) return;
  const message = 'field is immutable when `immutable` is set';
  if (left['immutable'] !== true) forbidden(errors, 'immutable', message);
  for (const field of fields) {
    if (!sameJson(left[field] ?? {}, right[field] ?? {})) forbidden(errors, field, message);
  }
}
