// What the OpenAPI documents say of a custom kind: its schema, with what every object has; for version 2 only
// what its readers understand.
//
// What always holds: a document says no more than it may without making a client refuse what the server
// takes: where fields are kept that no schema knows, version 2 tells of no fields at all.
// Source: apiextensions-apiserver pkg/controller/openapi (builder.go, v2/conversion.go).

import { isObject } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';
import type { Resource } from '../resource.ts';
import type { CustomVersion, JsonSchema } from './definition.ts';

type Generation = 2 | 3;

const prefix = (generation: Generation): string =>
  generation === 2 ? '#/definitions/' : '#/components/schemas/';
const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';

type Published = NonNullable<Resource['published']>;

/** As Kubernetes names it: `com.example.stable.v1.CronTab` for the group `stable.example.com`. */
export function publishedAs(group: string, version: CustomVersion, kind: string): Published {
  return {
    name: `${group.split('.').reverse().join('.')}.${version.name}.${kind}`,
    definition: (generation) => ({
      ...definitionOf(version, generation),
      'x-kubernetes-group-version-kind': [{ group, version: version.name, kind }],
    }),
  };
}

function definitionOf(version: CustomVersion, generation: Generation): JsonObject {
  const schema = version.schema?.openAPIV3Schema;
  if (schema === undefined) return { type: 'object' };
  if (generation === 2 && schema['x-kubernetes-preserve-unknown-fields'] === true) return { type: 'object' };
  const shown = shownSchema(schema, generation), properties = propertiesOf(shown);
  const selectable = (version.selectableFields ?? [])
    .map(({ jsonPath = '' }) => ({ fieldPath: jsonPath.slice(1) }));
  return {
    ...shown, properties: { ...properties, ...metaProperties(generation) },
    ...selectable.length === 0 ? {} : { 'x-kubernetes-selectable-fields': selectable },
  };
}

const propertiesOf = ({ properties }: JsonObject): JsonObject => isObject(properties) ? properties : {};

/** What they are for, the page of the document says. */
function metaProperties(generation: Generation): JsonObject {
  const text = { type: 'string' };
  return { apiVersion: text, kind: text, metadata: { $ref: `${prefix(generation)}${meta}` } };
}

function shownSchema(schema: JsonSchema, generation: Generation): JsonObject {
  const adapted = generation === 2 ? forVersion2(schema) : withIntOrString(schema);
  const { properties, items, additionalProperties, ...rest } = adapted;
  const inner = (one: JsonSchema): JsonObject => shownSchema(one, generation);
  const fields = properties === undefined ? null
    : Object.fromEntries(Object.entries(properties)
      .map(([name, property]) => [name, inner(property)] as const));
  const shown = {
    ...rest,
    ...fields === null ? {} : { properties: fields },
    ...items === undefined ? {} : { items: inner(items) },
    ...additionalProperties === undefined ? {}
      : { additionalProperties: typeof additionalProperties === 'object' ? inner(additionalProperties)
          : additionalProperties },
  } as JsonObject;
  return embeds(schema, generation) ? withMeta(shown, generation) : shown;
}

const keepsUnknown = (schema: JsonSchema): boolean => schema['x-kubernetes-preserve-unknown-fields'] === true;

const embeds = (schema: JsonSchema, generation: Generation): boolean =>
  schema['x-kubernetes-embedded-resource'] === true && !(generation === 2 && keepsUnknown(schema));

function withMeta(shown: JsonObject, generation: Generation): JsonObject {
  const { required: given } = shown;
  const before: readonly Json[] = Array.isArray(given) ? given as readonly Json[] : [];
  const required = ['kind', 'apiVersion'].filter((name) => !before.includes(name));
  return {
    ...shown, properties: { ...propertiesOf(shown), ...metaProperties(generation) },
    required: [...before, ...required],
  };
}

/** Says in the words of OpenAPI that it is a number or a text. */
function withIntOrString(schema: JsonSchema): JsonSchema {
  if (schema['x-kubernetes-int-or-string'] !== true || schema.anyOf !== undefined) return schema;
  const either: readonly JsonSchema[] = [{ type: 'integer' }, { type: 'string' }];
  const said = schema.allOf?.[0]?.anyOf !== undefined;
  return said ? schema : { ...schema, anyOf: either };
}

/** Version 2 has no combinations and no nulls, and its readers stumble over fields beside unknown ones. */
function forVersion2(schema: JsonSchema): JsonSchema {
  const { allOf: _a, anyOf: _b, oneOf: _c, not: _d, nullable, ...rest } = schema;
  let shown: JsonSchema = rest;
  if (nullable === true) shown = without(shown, ['type', 'items', 'properties']);
  if (keepsUnknown(schema)) shown = without(shown, ['items', 'properties']);
  const isBare = shown.type === 'array' && shown.items === undefined;
  if (isBare || (keepsUnknown(schema) && shown.type === 'object')) shown = without(shown, ['type']);
  const needed = requiredOf(shown);
  return needed.length === (shown.required?.length ?? 0) ? shown
    : needed.length === 0 ? without(shown, ['required']) : { ...shown, required: needed };
}

function requiredOf({ required = [], properties = {}, additionalProperties }: JsonSchema): readonly string[] {
  if (typeof additionalProperties === 'object' && additionalProperties.nullable === true) return [];
  return required.filter((name) => !Object.hasOwn(properties, name) || properties[name]?.nullable !== true);
}

function without(schema: JsonSchema, fields: readonly (keyof JsonSchema)[]): JsonSchema {
  const gone: readonly string[] = fields;
  return Object.fromEntries(Object.entries(schema).filter(([field]) => !gone.includes(field)));
}
