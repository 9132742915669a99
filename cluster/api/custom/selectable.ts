// Fields that objects of a custom kind may be selected by: simple paths to text, numbers and truth values.
// Source: apiextensions-apiserver validation.go (ValidateCustomResourceSelectableFields); KEP-4358.

import { isObject } from '../body.ts';
import type { Json } from '../body.ts';
import { duplicate, invalid, required, tooMany } from '../resources/validate.ts';
import type { Errors } from '../resources/validate.ts';
import type { KubeObject } from '../types.ts';
import type { CustomVersion, JsonSchema } from './definition.ts';

const selectableMax = 8;

type Given = NonNullable<CustomVersion['selectableFields']>;

export function selectableErrors(
  errors: Errors, fields: Given, schema: JsonSchema | undefined, path: string,
): void {
  if (fields.length === 0) return;
  if (schema === undefined) {
    return invalid(errors, path, '', 'may only be set when `version.schema.openAPIV3Schema` is not included');
  }
  const seen = new Set<string>();
  for (const [at, { jsonPath = '' }] of fields.entries()) {
    const field = `${path}[${at}].jsonPath`;
    if (jsonPath === '') {
      required(errors, field);
      continue;
    }
    const found = fieldSchema(jsonPath, schema);
    if (typeof found === 'string') {
      invalid(errors, field, jsonPath, `is an invalid path: ${found}`);
      continue;
    }
    if (jsonPath.startsWith('.metadata.') || jsonPath === '.metadata') {
      invalid(errors, field, jsonPath, 'must not point to fields in metadata');
    }
    if (!['string', 'boolean', 'integer'].includes(found.type ?? '')) {
      invalid(errors, field, jsonPath, 'must point to a field of type string, boolean or integer. '
        + 'Enum string fields and strings with formats are allowed.');
    }
    if (seen.has(jsonPath)) duplicate(errors, field, jsonPath);
    seen.add(jsonPath);
  }
  if (seen.size > selectableMax) tooMany(errors, path, seen.size, selectableMax);
}

/** The schema of the field, or why there is none. */
function fieldSchema(path: string, schema: JsonSchema): JsonSchema | string {
  if (!/^(?:\.[A-Za-z_][A-Za-z0-9_-]*)+$/.test(path)) return 'expected a path of fields: .spec.field';
  let at = schema;
  for (const name of namesOf(path)) {
    const { properties = {} } = at;
    const next = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (next === undefined) return `does not refer to a valid field`;
    at = next;
  }
  return at;
}

const namesOf = (path: string): readonly string[] => path.split('.').slice(1);

/** By the name of the selector (`spec.color`): the value as text, empty where there is none. */
export function selectorsOf(fields: Given): Readonly<Record<string, (object: KubeObject) => string>> {
  return Object.fromEntries(fields.map(({ jsonPath = '' }) => {
    const names = namesOf(jsonPath);
    const value = (object: KubeObject): string => textAt(object as unknown as Json, names);
    return [names.join('.'), value] as const;
  }));
}

function textAt(object: Json, names: readonly string[]): string {
  let at: Json | undefined = object;
  for (const name of names) at = isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined;
  return at === undefined || at === null || typeof at === 'object' ? '' : String(at);
}
