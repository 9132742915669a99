// What a schema of a custom kind may say at all, beyond being structural: list types and their keys, defaults
// that are valid themselves, and nothing that OpenAPI has and Kubernetes does not take.
//
// Source: apiextensions-apiserver pkg/apis/apiextensions/validation
// (ValidateCustomResourceDefinitionOpenAPISchema, specStandardValidatorV3) and
// pkg/apiserver/schema/defaulting/validation.go, for rules and messages.

import { sameContent } from '../../canonical.ts';
import { limits } from '../../limits.ts';
import type { Json } from '../body.ts';
import { ruleCauses } from '../cel/rules.ts';
import { forbidden, invalid, notSupported, required } from '../resources/validate.ts';
import type { Errors } from '../resources/validate.ts';
import { metaFields } from './definition.ts';
import type { JsonSchema, ValidationRule } from './definition.ts';
import { embeddedCauses } from './embedded.ts';
import { coerced, pruned } from './shape.ts';
import type { Embedding } from './shape.ts';
import { keyed } from './structural.ts';
import { valueCauses } from './values.ts';

/** Why no default may be given here; null where one may. */
interface Inside {
  readonly noDefault: string | null;
  readonly inMeta: boolean;
  /** Where old and new parts can't be told to be the same; empty: nowhere around here. */
  readonly uncorrelatable: string;
  /** What is wrong with expressions, told after what is wrong with schemas. */
  readonly expressions: Errors;
}

export function schemaErrors(errors: Errors, schema: JsonSchema, path: string): void {
  const expressions: Errors = [];
  visit(errors, schema, path, { noDefault: null, inMeta: false, uncorrelatable: '', expressions }, true);
  errors.push(...expressions);
}

function visit(errors: Errors, schema: JsonSchema, path: string, inside: Inside, isRoot: boolean): void {
  standard(errors, schema, path, inside);
  if (schema.uniqueItems === true) {
    forbidden(errors, `${path}.uniqueItems`,
      'uniqueItems cannot be set to true since the runtime complexity becomes quadratic');
  }
  const { properties = {}, additionalProperties, items, not, allOf = [], anyOf = [], oneOf = [] } = schema;
  if (additionalProperties !== undefined) {
    const at = `${path}.additionalProperties`;
    if (Object.keys(properties).length > 0 && additionalProperties !== true) {
      forbidden(errors, at, 'additionalProperties and properties are mutual exclusive');
    }
    const here = inside.inMeta
      ? { ...inside, noDefault: 'inside additionalProperties applying to object metadata' } : inside;
    if (typeof additionalProperties === 'object') visit(errors, additionalProperties, at, here, false);
  }
  const isObject = isRoot || schema['x-kubernetes-embedded-resource'] === true;
  const apart = schema['x-kubernetes-map-type'] === 'atomic' ? path : inside.uncorrelatable;
  for (const name of Object.keys(properties).sort()) {
    const property = properties[name];
    if (property === undefined) continue;
    const isMeta = isObject && metaFields.includes(name);
    const noDefault = isMeta && isRoot ? `in top-level ${name}` : inside.noDefault;
    visit(errors, property, keyed(path, 'properties', name),
      { ...inside, noDefault, inMeta: inside.inMeta || isMeta, uncorrelatable: apart }, false);
  }
  if (not !== undefined) visit(errors, not, `${path}.not`, inside, false);
  for (const [at, one] of allOf.entries()) visit(errors, one, `${path}.allOf[${at}]`, inside, false);
  for (const [at, one] of oneOf.entries()) visit(errors, one, `${path}.oneOf[${at}]`, inside, false);
  for (const [at, one] of anyOf.entries()) visit(errors, one, `${path}.anyOf[${at}]`, inside, false);
  if (items !== undefined && !Array.isArray(items)) {
    const byKeys = schema['x-kubernetes-list-type'] === 'map';
    visit(errors, items, `${path}.items`, byKeys ? inside : { ...inside, uncorrelatable: path }, false);
  }
  extensions(errors, schema, path);
  const rules = schema['x-kubernetes-validations'] ?? [];
  for (const [at, rule] of rules.entries()) {
    ruleErrors(errors, rule, `${path}.x-kubernetes-validations[${at}]`);
  }
  // What is said of expressions helps nobody while the schema itself is wrong.
  if (errors.length === 0 && rules.length > 0) {
    inside.expressions.push(...ruleCauses(schema, path, isObject, inside.uncorrelatable));
  }
}

const types: readonly string[] = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const refusedFields: readonly string[] = [
  'id', 'additionalItems', 'patternProperties', 'definitions', 'dependencies', '$ref',
];

function standard(errors: Errors, schema: JsonSchema, path: string, inside: Inside): void {
  const { type = '' } = schema;
  if (type !== '' && !types.includes(type)) notSupported(errors, `${path}.type`, type, types);
  if (schema.default !== undefined && inside.noDefault !== null) {
    forbidden(errors, `${path}.default`, `must not be set ${inside.noDefault}`);
  }
  for (const field of refusedFields) {
    if (Object.hasOwn(schema, field)) forbidden(errors, `${path}.${field}`, `${field} is not supported`);
  }
  if (type === 'null') {
    forbidden(errors, `${path}.type`, 'type cannot be set to null, use nullable as an alternative');
  }
  if (Array.isArray(schema.items)) {
    forbidden(errors, `${path}.items`, 'items must be a schema object and not an array');
  }
  if (inside.inMeta && schema['x-kubernetes-embedded-resource'] === true) {
    forbidden(errors, `${path}.x-kubernetes-embedded-resource`, 'must not be used inside of resource meta');
  }
}

// ── list and map types ───────────────────────────────────────────────────────────────────────────────────

function extensions(errors: Errors, schema: JsonSchema, path: string): void {
  const listType = schema['x-kubernetes-list-type'], mapType = schema['x-kubernetes-map-type'];
  if (schema['x-kubernetes-preserve-unknown-fields'] === false) {
    invalid(errors, `${path}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined');
  }
  const mustBe = (type: string, what: string): void => {
    const why = `must be ${type} if x-kubernetes-${what} is specified`;
    if ((schema.type ?? '') === '') required(errors, `${path}.type`, why);
    else if (schema.type !== type) invalid(errors, `${path}.type`, schema.type, why);
  };
  if (mapType !== undefined) {
    mustBe('object', 'map-type');
    const known = ['atomic', 'granular'];
    if (!known.includes(mapType)) notSupported(errors, `${path}.x-kubernetes-map-type`, mapType, known);
  }
  if (listType !== undefined) {
    mustBe('array', 'list-type');
    if (listType === 'set' && schema.type === 'array') setItems(errors, schema, path);
    const known = ['atomic', 'set', 'map'];
    if (!known.includes(listType)) notSupported(errors, `${path}.x-kubernetes-list-type`, listType, known);
  }
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  if (keys.length > 0 && listType !== 'map') {
    const at = `${path}.x-kubernetes-list-type`;
    const why = 'must be map if x-kubernetes-list-map-keys is non-empty';
    if (listType === undefined) required(errors, at, why);
    else invalid(errors, at, listType, why);
  }
  if (listType === 'map') mapItems(errors, schema, keys, path);
  if ((listType === 'map' || listType === 'set') && schema.items?.nullable === true) {
    forbidden(errors, `${path}.items.nullable`,
      `cannot be nullable when x-kubernetes-list-type is ${listType}`);
  }
  if (listType === 'map') mapKeys(errors, schema, keys, path);
}

function setItems(errors: Errors, { items }: JsonSchema, path: string): void {
  const why = 'must be atomic as item of a list with x-kubernetes-list-type=set';
  const list = items?.['x-kubernetes-list-type'], map = items?.['x-kubernetes-map-type'];
  if (items?.type === 'array' && list !== undefined && list !== 'atomic') {
    invalid(errors, `${path}.items.x-kubernetes-list-type`, list, why);
  }
  if (items?.type === 'object' && map !== 'atomic') {
    invalid(errors, `${path}.items.x-kubernetes-map-type`, list ?? null, why);
  }
}

function mapItems(errors: Errors, schema: JsonSchema, keys: readonly string[], path: string): void {
  const { items } = schema, at = `${path}.x-kubernetes-list-map-keys`;
  if (keys.length === 0) required(errors, at, 'must not be empty if x-kubernetes-list-type is map');
  if (items === undefined) {
    return required(errors, `${path}.items`, 'must have a schema if x-kubernetes-list-type is map');
  }
  if (items.type !== 'object') {
    invalid(errors, `${path}.items.type`, items.type ?? '',
      "must be object if parent array's x-kubernetes-list-type is map");
    return;
  }
  const seen = new Set<string>();
  for (const key of keys) {
    const property = propertyOf(items, key);
    if (property === undefined) {
      invalid(errors, at, keys, 'entries must all be names of item properties');
    } else if (property.type === 'array' || property.type === 'object') {
      invalid(errors, `${keyed(`${path}.items`, 'properties', key)}.type`, items.type,
        "must be a scalar type if parent array's x-kubernetes-list-type is map");
    }
    if (seen.has(key)) invalid(errors, at, keys, 'must not contain duplicate entries');
    seen.add(key);
  }
}

const propertyOf = ({ properties = {} }: JsonSchema, name: string): JsonSchema | undefined =>
  Object.hasOwn(properties, name) ? properties[name] : undefined;

function mapKeys(errors: Errors, { items }: JsonSchema, keys: readonly string[], path: string): void {
  const why = 'this property is in x-kubernetes-list-map-keys, so it';
  for (const key of keys) {
    const property = items === undefined ? undefined : propertyOf(items, key);
    const at = keyed(`${path}.items`, 'properties', key);
    if (property === undefined) continue;
    if (items?.required?.includes(key) !== true && property.default === undefined) {
      required(errors, `${at}.default`, `${why} must have a default or be a required property`);
    }
    if (property.nullable === true) forbidden(errors, `${at}.nullable`, `${why} cannot be nullable`);
  }
}

// ── x-kubernetes-validations ─────────────────────────────────────────────────────────────────────────────

const reasons = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];
const hasBreaks = (text: string): boolean => /[\n\r]/.test(text);

/** What can be told of a rule without reading its expression. */
function ruleErrors(errors: Errors, given: ValidationRule, path: string): void {
  const { rule = '', message = '', messageExpression = '', reason, fieldPath = '' } = given;
  if (rule.trim() === '') required(errors, `${path}.rule`, 'rule is not specified');
  else if (message !== '' && message.trim() === '') {
    invalid(errors, `${path}.message`, message, 'must be non-empty if specified');
  } else if (hasBreaks(message.trim())) {
    invalid(errors, `${path}.message`, message, 'must not contain line breaks');
  } else if (hasBreaks(rule.trim()) && message.trim() === '') {
    required(errors, `${path}.message`, 'message must be specified if rule contains line breaks');
  }
  if (messageExpression !== '' && messageExpression.trim() === '') {
    required(errors, `${path}.messageExpression`, 'messageExpression must be non-empty if specified');
  }
  if (reason !== undefined && !reasons.includes(reason)) {
    notSupported(errors, `${path}.reason`, reason, reasons);
  }
  if (fieldPath !== '' && fieldPath.trim() === '') {
    invalid(errors, `${path}.fieldPath`, fieldPath, 'must be non-empty if specified');
  }
  if (hasBreaks(fieldPath)) invalid(errors, `${path}.fieldPath`, fieldPath, 'must not contain line breaks');
}

// ── defaults ─────────────────────────────────────────────────────────────────────────────────────────────

/** Each default is a value that the schema would take, and holds no field that it would prune. */
export function defaultErrors(errors: Errors, schema: JsonSchema, path: string): void {
  const { properties = {}, items } = schema;
  if (errors.length >= limits.schemaErrorsMax) return;
  if (schema.default !== undefined) defaultError(errors, schema, schema.default, `${path}.default`);
  if (items !== undefined) defaultErrors(errors, items, `${path}.items`);
  for (const name of Object.keys(properties).sort()) {
    const property = properties[name];
    if (property !== undefined) defaultErrors(errors, property, keyed(path, 'properties', name));
  }
}

function defaultError(errors: Errors, schema: JsonSchema, value: Json, path: string): void {
  const isObject = schema['x-kubernetes-embedded-resource'] === true;
  const without = pruned({ value }, { properties: { value: schema } }, []);
  if (!sameContent(without, { value })) invalid(errors, path, value, 'must not have unknown fields');
  const found: Embedding = { unknown: [], error: null };
  coerced(value, schema, path, found);
  if (found.error !== null) {
    return invalid(errors, found.error.field, found.error.value, found.error.detail);
  }
  const embedded = embeddedCauses(value, schema, path);
  if (isObject && embedded.length > 0) errors.push(...embedded);
  else errors.push(...valueCauses(value, schema, null, path));
}
