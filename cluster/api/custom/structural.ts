// Whether a schema is structural: what the object looks like is said once, outside of allOf, anyOf, oneOf and
// not, so that it can be pruned, defaulted and published.
//
// Source: apiextensions-apiserver pkg/apiserver/schema/validation.go (rules and messages); Kubernetes,
// "Specifying a structural schema". What always holds: the errors come sorted by their text.

import { sameContent } from '../../canonical.ts';
import { forbidden, invalid, required } from '../resources/validate.ts';
import type { Errors } from '../resources/validate.ts';
import type { StatusCause } from '../types.ts';
import type { JsonSchema } from './definition.ts';
import { patternError } from './pattern.ts';

type Level = 'root' | 'item' | 'field';

export function structuralCauses(schema: JsonSchema, path: string): readonly StatusCause[] {
  const errors: Errors = [];
  invariants(errors, schema, 'root', path);
  completeness(errors, schema, { structure: schema, path }, path);
  const text = ({ field, message }: StatusCause): string => `${field}: ${message}`;
  return errors.sort((a, b) => (text(a) < text(b) ? -1 : 1));
}

export const keyed = (path: string, field: string, key: string): string => `${path}.${field}[${key}]`;

type Flag = 'int-or-string' | 'preserve-unknown-fields' | 'embedded-resource';
const flag = (schema: JsonSchema, name: Flag): boolean => schema[`x-kubernetes-${name}`] === true;

// ── the structure ────────────────────────────────────────────────────────────────────────────────────────

function invariants(errors: Errors, schema: JsonSchema, level: Level, path: string): void {
  const { type = '', items, properties = {}, additionalProperties } = schema;
  if (type === 'array' && items === undefined) required(errors, `${path}.items`, 'must be specified');
  if (items !== undefined) invariants(errors, items, 'item', `${path}.items`);
  for (const [name, property] of Object.entries(properties)) {
    invariants(errors, property, 'field', keyed(path, 'properties', name));
  }
  const embedded = flag(schema, 'embedded-resource');
  if (additionalProperties !== undefined) {
    const at = `${path}.additionalProperties`;
    if (level === 'root') forbidden(errors, at, 'must not be used at the root');
    if (typeof additionalProperties === 'object') invariants(errors, additionalProperties, 'field', at);
    if (embedded) forbidden(errors, at, 'must not be used if x-kubernetes-embedded-resource is set');
  }
  extensions(errors, schema, path);
  valueValidation(errors, schema, path, isIntOrString(schema.anyOf), isIntOrString(schema.allOf?.[0]?.anyOf));
  typeInvariants(errors, schema, level, path);
  metaInvariants(errors, schema, level, path);
  if (embedded && !flag(schema, 'preserve-unknown-fields') && Object.keys(properties).length === 0) {
    required(errors, `${path}.properties`, 'must not be empty if x-kubernetes-embedded-resource is true '
      + 'without x-kubernetes-preserve-unknown-fields');
  }
}

/** What an int-or-string may say of itself: `anyOf: [{type: integer}, {type: string}]`. */
const isIntOrString = (schemas: readonly JsonSchema[] | undefined): boolean =>
  sameContent(schemas, [{ type: 'integer' }, { type: 'string' }]);

function extensions(errors: Errors, schema: JsonSchema, path: string): void {
  if (!flag(schema, 'int-or-string')) return;
  for (const name of ['preserve-unknown-fields', 'embedded-resource'] as const) {
    if (!flag(schema, name)) continue;
    invalid(errors, `${path}.x-kubernetes-${name}`, true,
      'must be false if x-kubernetes-int-or-string is true');
  }
}

const emptyType: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root', item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
};

function typeInvariants(errors: Errors, schema: JsonSchema, level: Level, path: string): void {
  const { type = '' } = schema, at = `${path}.type`;
  if (flag(schema, 'embedded-resource') && type !== 'object') {
    const why = 'must be object if x-kubernetes-embedded-resource is true';
    if (type === '') required(errors, at, why);
    else invalid(errors, at, type, why);
  } else if (type === '' && !flag(schema, 'int-or-string') && !flag(schema, 'preserve-unknown-fields')) {
    required(errors, at, emptyType[level]);
  }
  if (level === 'root' && type !== '' && type !== 'object') {
    invalid(errors, at, type, 'must be object at the root');
  }
}

function metaInvariants(errors: Errors, schema: JsonSchema, level: Level, path: string): void {
  const { properties = {} } = schema, isObject = level === 'root' || flag(schema, 'embedded-resource');
  if (!isObject) return;
  for (const name of ['kind', 'apiVersion']) {
    const property = properties[name];
    if (property === undefined || property.type === 'string') continue;
    invalid(errors, `${keyed(path, 'properties', name)}.type`, property.type ?? '', 'must be string');
  }
  const { metadata } = properties, at = keyed(path, 'properties', 'metadata');
  if (metadata === undefined) return;
  if (metadata.type !== 'object') invalid(errors, `${at}.type`, metadata.type ?? '', 'must be object');
  if (level !== 'root') return;
  const { type: _t, default: _d, properties: own = {}, ...rest } = metadata;
  const others = Object.keys(own).some((name) => name !== 'name' && name !== 'generateName');
  if (!others && Object.keys(rest).every((name) => !given(metadata, name))) return;
  forbidden(errors, at, 'must not specify anything other than name and generateName, but metadata is '
    + 'implicitly specified');
}

const given = (schema: JsonSchema, name: string): boolean => {
  const value = (schema as Readonly<Record<string, unknown>>)[name];
  return value !== undefined && value !== false && value !== '';
};

// ── values ───────────────────────────────────────────────────────────────────────────────────────────────

function valueValidation(
  errors: Errors, schema: JsonSchema, path: string, skipAnyOf: boolean, skipFirstAllOf: boolean,
): void {
  const { anyOf = [], allOf = [], oneOf = [], not, pattern = '' } = schema;
  if (!skipAnyOf) {
    for (const [at, one] of anyOf.entries()) nested(errors, one, `${path}.anyOf[${at}]`, false);
  }
  for (const [at, one] of allOf.entries()) {
    nested(errors, one, `${path}.allOf[${at}]`, skipFirstAllOf && at === 0);
  }
  for (const [at, one] of oneOf.entries()) nested(errors, one, `${path}.oneOf[${at}]`, false);
  if (not !== undefined) nested(errors, not, `${path}.not`, false);
  const wrong = pattern === '' ? null : patternError(pattern);
  if (wrong !== null) {
    invalid(errors, `${path}.pattern`, pattern, `must be a valid regular expression, but isn't: ${wrong}`);
  }
}

/** What may not stand within a combination, and why. */
const outside: readonly (readonly [keyof JsonSchema, string])[] = [
  ['type', 'must be empty to be structural'],
  ['additionalProperties', 'must be undefined to be structural'],
  ['default', 'must be undefined to be structural'],
  ['title', 'must be empty to be structural'],
  ['description', 'must be empty to be structural'],
  ['nullable', 'must be false to be structural'],
  ['x-kubernetes-preserve-unknown-fields', 'must be false to be structural'],
  ['x-kubernetes-embedded-resource', 'must be false to be structural'],
  ['x-kubernetes-int-or-string', 'must be false to be structural'],
  ['x-kubernetes-list-map-keys', 'must be empty to be structural'],
  ['x-kubernetes-list-type', 'must be undefined to be structural'],
  ['x-kubernetes-map-type', 'must be undefined to be structural'],
  ['x-kubernetes-validations', 'must be empty to be structural'],
];

function nested(errors: Errors, schema: JsonSchema, path: string, skipAnyOf: boolean): void {
  valueValidation(errors, schema, path, skipAnyOf, false);
  const { items, properties = {}, additionalProperties } = schema;
  if (items !== undefined) nested(errors, items, `${path}.items`, false);
  for (const [name, property] of Object.entries(properties)) {
    nested(errors, property, keyed(path, 'properties', name), false);
  }
  for (const [field, why] of outside) {
    const isOff = field === 'additionalProperties' && additionalProperties === false;
    if (given(schema, field) && !isOff) forbidden(errors, `${path}.${field}`, why);
  }
  if (Object.hasOwn(properties, 'metadata')) {
    forbidden(errors, keyed(path, 'properties', 'metadata'), 'must not be specified in a nested context');
  }
}

// ── completeness ─────────────────────────────────────────────────────────────────────────────────────────

/** The schema at one place in the structure; null where the structure has none. */
interface Place { readonly structure: JsonSchema | null; readonly path: string }

/** Every field and item that a combination at the root speaks of is specified outside of it too. */
function completeness(errors: Errors, values: JsonSchema, place: Place, path: string): void {
  const { allOf = [], anyOf = [], oneOf = [], not } = values;
  if (not !== undefined) complete(errors, not, place, `${path}.not`);
  for (const [at, one] of allOf.entries()) complete(errors, one, place, `${path}.allOf[${at}]`);
  for (const [at, one] of anyOf.entries()) complete(errors, one, place, `${path}.anyOf[${at}]`);
  for (const [at, one] of oneOf.entries()) complete(errors, one, place, `${path}.oneOf[${at}]`);
}

function complete(errors: Errors, values: JsonSchema, place: Place, path: string): void {
  const { structure } = place;
  if (structure === null) return required(errors, place.path, `because it is defined in ${path}`);
  completeness(errors, values, place, path);
  const { items, properties = {} } = values;
  if (items !== undefined) {
    const below = { structure: structure.items ?? null, path: `${place.path}.items` };
    complete(errors, items, below, `${path}.items`);
  }
  for (const [name, property] of Object.entries(properties)) {
    const known = Object.hasOwn(structure.properties ?? {}, name) ? structure.properties?.[name] : undefined;
    const below = { structure: known ?? null, path: keyed(place.path, 'properties', name) };
    complete(errors, property, below, keyed(path, 'properties', name));
  }
}
