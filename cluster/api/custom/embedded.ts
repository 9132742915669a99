// Objects within objects (`x-kubernetes-embedded-resource`): each has an apiVersion and a kind, and metadata
// as any other object; and lists that are sets or maps hold nothing twice.
// Source: apiextensions-apiserver pkg/apiserver/schema/objectmeta/validation.go,
// schema/listtype/validation.go.

import { canonicalText } from '../../canonical.ts';
import { isObject } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';
import { nameError } from '../names.ts';
import { nameErrors, validateAnnotations, validateLabels } from '../resources/names.ts';
import { duplicate, invalid, invalidEach, required } from '../resources/validate.ts';
import type { Errors } from '../resources/validate.ts';
import type { ObjectMeta, StatusCause } from '../types.ts';
import type { JsonSchema } from './definition.ts';

export function embeddedCauses(value: Json, schema: JsonSchema, path = ''): readonly StatusCause[] {
  const errors: Errors = [];
  walk(value, schema, path, (at, one, shape) => {
    if (shape['x-kubernetes-embedded-resource'] === true && isObject(one)) embedded(errors, one, at);
  });
  return errors;
}

export function listCauses(value: Json, schema: JsonSchema, path = ''): readonly StatusCause[] {
  const errors: Errors = [];
  walk(value, schema, path, (at, one, shape) => {
    if (!Array.isArray(one)) return;
    const items = one as readonly Json[], keys = shape['x-kubernetes-list-map-keys'] ?? [];
    switch (shape['x-kubernetes-list-type']) {
      case 'set': return twice(items, (item) => item).forEach((index) =>
        duplicate(errors, `${at}[${index}]`, items[index]));
      case 'map': return mapErrors(errors, items, keys, at);
      default: return;
    }
  });
  return errors;
}

type Visit = (path: string, value: Json, schema: JsonSchema) => void;

/** Every value that has a schema, in the order of the object. */
function walk(value: Json, schema: JsonSchema, path: string, visit: Visit): void {
  visit(path, value, schema);
  const { items, properties = {}, additionalProperties } = schema;
  if (Array.isArray(value)) {
    if (items === undefined) return;
    for (const [at, item] of (value as readonly Json[]).entries()) walk(item, items, `${path}[${at}]`, visit);
    return;
  }
  if (!isObject(value)) return;
  for (const name of Object.keys(value)) {
    const field = value[name] ?? null;
    if (Object.hasOwn(properties, name)) {
      const known = properties[name];
      if (known !== undefined) walk(field, known, path === '' ? name : `${path}.${name}`, visit);
    } else if (typeof additionalProperties === 'object') {
      walk(field, additionalProperties, `${path}[${name}]`, visit);
    }
  }
}

function embedded(errors: Errors, object: JsonObject, path: string): void {
  const { apiVersion, kind, metadata } = object;
  if (apiVersion === undefined) required(errors, `${path}.apiVersion`);
  else if (typeof apiVersion === 'string') versionErrors(errors, apiVersion, `${path}.apiVersion`);
  else invalid(errors, `${path}.apiVersion`, apiVersion, 'must be a string');
  if (kind === undefined) required(errors, `${path}.kind`);
  else if (typeof kind !== 'string') invalid(errors, `${path}.kind`, kind, 'must be a string');
  else if (kind === '') invalid(errors, `${path}.kind`, kind, 'must not be empty');
  else {
    const wrong = nameError(kind.toLowerCase(), 'label-1035');
    const why = `may have mixed case, but should otherwise match: ${wrong}`;
    if (wrong !== null) invalid(errors, `${path}.kind`, kind, why);
  }
  if (isObject(metadata)) metadataErrors(errors, metadata as Partial<ObjectMeta>, `${path}.metadata`);
}

function versionErrors(errors: Errors, text: string, path: string): void {
  if (text === '') invalid(errors, path, text, 'must not be empty');
  else if (text.split('/').length > 2) {
    invalid(errors, path, text, `unexpected GroupVersion string: ${text}`);
  }
}

function metadataErrors(errors: Errors, metadata: Partial<ObjectMeta>, path: string): void {
  const { name = '', generateName = '', namespace = '' } = metadata;
  if (name !== '') invalidEach(errors, `${path}.name`, name, nameErrors(name, 'path-segment'));
  if (generateName !== '') {
    invalidEach(errors, `${path}.generateName`, generateName, nameErrors(generateName, 'path-segment'));
  }
  if (namespace !== '') invalidEach(errors, `${path}.namespace`, namespace, nameErrors(namespace, 'label'));
  validateLabels(errors, `${path}.labels`, metadata.labels);
  validateAnnotations(errors, `${path}.annotations`, metadata.annotations);
}

function mapErrors(errors: Errors, items: readonly Json[], keys: readonly string[], path: string): void {
  const stray = items.findIndex((item) => item !== null && !isObject(item));
  if (stray >= 0) {
    return invalid(errors, `${path}[${stray}]`, items[stray],
      'must be an object for an array of list-type map');
  }
  const keyOf = (item: Json): Json => Object.fromEntries(keys
    .filter((key) => isObject(item) && Object.hasOwn(item, key))
    .map((key) => [key, (item as JsonObject)[key] ?? null] as const));
  for (const at of twice(items, keyOf)) duplicate(errors, `${path}[${at}]`, keyOf(items[at] ?? null));
}

/** Where a value stands for the second time. */
function twice(items: readonly Json[], of: (item: Json) => Json): readonly number[] {
  const times = new Map<string, number>(), found: number[] = [];
  for (const [at, item] of items.entries()) {
    const key = canonicalText(of(item)), before = times.get(key) ?? 0;
    if (before === 1) found.push(at);
    times.set(key, before + 1);
  }
  return found;
}
