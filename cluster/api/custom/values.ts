// Whether a value is what a schema asks for: types, bounds, enumerations, and the schemas in allOf, anyOf,
// oneOf and not. What an update did not change is not held against it.
//
// What always holds: each value meets each schema at its place at most once, and not more than
// `schemaChecksMax` times in all; what comes first is the field that comes first by name.
// Source: kube-openapi pkg/validation/validate, apiextensions-apiserver pkg/apiserver/validation (messages,
// their order, and which of the failures of several alternatives are told); Kubernetes, "Validation
// ratcheting".

import { sameContent } from '../../canonical.ts';
import { limits } from '../../limits.ts';
import { isObject } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';
import type { StatusCause } from '../types.ts';
import type { JsonSchema } from './definition.ts';
import { fitsFormat, formatOf } from './formats.ts';
import { matches } from './pattern.ts';

/** The value before the update, where it can be told which one that was. */
export type Former = { readonly value: Json } | null;

/** Field errors of the value. `path`: where it stands, empty for the object itself. */
export function valueCauses(
  value: Json, schema: JsonSchema, former: Former, path = '',
): readonly StatusCause[] {
  const budget: Budget = { left: limits.schemaChecksMax };
  const { failures } = check(value, schema, '', former, budget);
  if (budget.left <= 0) {
    return [plain(path, 'the object is too large to be checked against the schema of its kind')];
  }
  const seen = new Set<string>();
  return failures.filter(({ key }) => !seen.has(key) && seen.add(key) !== null)
    .map((failure) => causeOf(failure, path));
}

interface Budget { left: number }

/** `field` null: the failure belongs to no field. `key`: what makes two failures the same. */
interface Failure {
  readonly reason: string; readonly field: string | null; readonly message: string; readonly key: string;
}

/** `matched` counts what was right: of several alternatives, the one that fits best is told of. */
interface Result { readonly failures: Failure[]; matched: number }

function causeOf({ reason, field, message }: Failure, path: string): StatusCause {
  const under = field === null ? '' : field.replace(/^\./, '');
  const whole = path === '' || under === '' ? `${path}${under}` : `${path}.${under}`;
  return { reason, field: whole === '' ? '<nil>' : whole, message };
}

const plain = (path: string, detail: string): StatusCause => ({
  reason: 'FieldValueInvalid', field: path === '' ? '<nil>' : path, message: `Invalid value: "": ${detail}`,
});

/** As Go prints a value in a field error. */
const show = (value: Json): string => typeof value === 'number' ? goNumber(value) : JSON.stringify(value);

/** As Go's %v prints a number that came as JSON. */
export function goNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 63) return BigInt(value).toString();
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  if (value === 0 || (exponent >= -4 && exponent < 21)) return String(value);
  return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
}

function failed(
  result: Result, reason: string, field: string | null, head: string, detail: string,
): void {
  const message = detail === '' ? head : `${head}: ${detail}`;
  result.failures.push({ reason, field, message, key: `${field ?? ''} ${message}` });
}

const invalidValue = (result: Result, path: string, value: Json, detail: string): void =>
  failed(result, 'FieldValueInvalid', path, `Invalid value: ${show(value)}`, `${path} in body ${detail}`);

/** A failure of a combination of schemas: Kubernetes gives it no field. */
const combined = (result: Result, detail: string): void =>
  failed(result, 'FieldValueInvalid', null, 'Invalid value: ""', detail);

function merge(into: Result, { failures, matched }: Result): void {
  for (const failure of failures) into.failures.push(failure);
  into.matched += matched;
}

// ── one value and one schema ─────────────────────────────────────────────────────────────────────────────

function check(value: Json, schema: JsonSchema, path: string, former: Former, budget: Budget): Result {
  const result: Result = { failures: [], matched: 0 };
  budget.left -= 1;
  if (budget.left <= 0) return result;
  checkType(value, schema, path, result);
  if (value === null) {
    checkEnum(value, schema, path, result);
    return result;
  }
  checkCombinations(value, schema, path, former, budget, result);
  if (typeof value === 'string') checkString(value, schema, path, result);
  else if (typeof value === 'number') checkNumber(value, schema, path, result);
  else if (Array.isArray(value)) checkList(value, schema, path, former, budget, result);
  checkEnum(value, schema, path, result);
  if (isObject(value)) checkObject(value, schema, path, former, budget, result);
  result.matched += 1;
  // What was wrong before the update, and is the same, may stay.
  if (former === null || result.failures.length === 0 || !sameContent(former.value, value)) return result;
  return { failures: [], matched: result.matched };
}

function typesOf(schema: JsonSchema): readonly string[] {
  if (schema['x-kubernetes-int-or-string'] === true) return ['integer', 'string'];
  return schema.type === undefined || schema.type === '' ? [] : [schema.type];
}

export function typeOf(value: Json): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function checkType(value: Json, schema: JsonSchema, path: string, result: Result): void {
  const types = typesOf(schema), format = formatOf(schema);
  if (types.length === 0 && format === '') return;
  const type = typeOf(value), wanted = types.join(',');
  const refused = (): void => failed(result, 'FieldValueTypeInvalid', path, `Invalid value: ${show(type)}`,
    `${path} in body must be of type ${wanted}: ${JSON.stringify(type)}`);
  if (value === null) {
    if (types.length > 0 && schema.nullable !== true) refused();
    return;
  }
  const numeric = types.includes('number') || types.includes('integer');
  // A format of text is judged by itself.
  if (!numeric && format !== '' && (typeof value === 'string' || Array.isArray(value))) return;
  if (types.includes(type) || (type === 'integer' && types.includes('number'))) result.matched += 2;
  else refused();
}

function checkEnum(value: Json, schema: JsonSchema, path: string, result: Result): void {
  const { enum: allowed = [] } = schema;
  if (allowed.length === 0) return;
  if (value !== null && allowed.some((one) => sameContent(one, value))) return;
  const shown = allowed.map((one) => JSON.stringify(typeof one === 'string' ? one : JSON.stringify(one)));
  failed(result, 'FieldValueNotSupported', path, `Unsupported value: ${show(value)}`,
    `supported values: ${shown.join(', ')}`);
}

function checkString(value: string, schema: JsonSchema, path: string, result: Result): void {
  const { maxLength, minLength, pattern = '' } = schema;
  const wrong = result.failures.length;
  const needsLength = maxLength !== undefined || minLength !== undefined;
  const length = needsLength ? runesOf(value) : 0;
  if (maxLength !== undefined && length > maxLength) {
    failed(result, 'FieldValueTooLong', path, 'Too long', `may not be more than ${maxLength} bytes`);
  } else if (minLength !== undefined && length < minLength) {
    invalidValue(result, path, value, `should be at least ${minLength} chars long`);
  } else if (pattern !== '' && matches(pattern, value) !== true) {
    invalidValue(result, path, value, `should match '${pattern}'`);
  }
  const format = formatOf(schema);
  if (format !== '' && !fitsFormat(format, value)) {
    failed(result, 'FieldValueTypeInvalid', path, `Invalid value: ${show(value)}`,
      `${path} in body must be of type ${format}: ${JSON.stringify(value)}`);
  }
  if (result.failures.length === wrong) result.matched += 1;
}

function runesOf(text: string): number {
  let runes = text.length;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    // The first half of a pair counts for both.
    if (unit >= 0xd800 && unit < 0xdc00) runes -= 1;
  }
  return runes;
}

function checkNumber(value: number, schema: JsonSchema, path: string, result: Result): void {
  const { multipleOf, maximum, minimum, format = '' } = schema;
  const wrong = result.failures.length;
  if (schema.type === 'integer' && format === 'int32' && (value < -(2 ** 31) || value >= 2 ** 31)) {
    combined(result, `Checked value must be of type integer with format int32 in ${path}`);
  }
  // Bounds of whole numbers are read as whole numbers, as Kubernetes does.
  const bound = (limit: number): number => Number.isInteger(value) ? Math.trunc(limit) : limit;
  if (multipleOf !== undefined && !isMultiple(value, multipleOf)) {
    invalidValue(result, path, value, `should be a multiple of ${goNumber(multipleOf)}`);
  }
  if (minimum !== undefined) {
    const exclusive = schema.exclusiveMinimum === true, least = bound(minimum);
    if (value < least || (exclusive && value === least)) {
      const words = exclusive ? 'greater than' : 'greater than or equal to';
      invalidValue(result, path, value, `should be ${words} ${goNumber(least)}`);
    }
  }
  if (maximum !== undefined) {
    const exclusive = schema.exclusiveMaximum === true, most = bound(maximum);
    if (value > most || (exclusive && value === most)) {
      const words = exclusive ? 'less than' : 'less than or equal to';
      invalidValue(result, path, value, `should be ${words} ${goNumber(most)}`);
    }
  }
  if (result.failures.length === wrong) result.matched += 1;
}

function isMultiple(value: number, factor: number): boolean {
  if (factor <= 0) return false;
  const times = factor < 1 ? (1 / factor) * value : value / factor;
  // As go-openapi has it: whole, as far as a double can tell.
  return Number.isInteger(times) || Math.abs(times - Math.round(times)) < 1e-9 * Math.max(1, Math.abs(times));
}

// ── lists and objects ────────────────────────────────────────────────────────────────────────────────────

function checkList(
  value: readonly Json[], schema: JsonSchema, path: string, former: Former, budget: Budget, result: Result,
): void {
  const { items, minItems, maxItems } = schema;
  if (items !== undefined) {
    const before = formerItems(former, schema);
    for (const [at, item] of value.entries()) {
      merge(result, check(item, items, `${path}[${at}]`, before(item), budget));
    }
  }
  if (minItems !== undefined && value.length < minItems) {
    invalidValue(result, path, value.length, `should have at least ${minItems} items`);
  }
  if (maxItems !== undefined && value.length > maxItems) {
    failed(result, 'FieldValueTooMany', path, `Too many: ${value.length}`,
      `must have at most ${maxItems} items`);
  }
  result.matched += 1;
}

/** Items are told apart by the keys of their list; where it has none, nothing is known of them. */
function formerItems(former: Former, schema: JsonSchema): (item: Json) => Former {
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const before = former?.value;
  if (schema['x-kubernetes-list-type'] !== 'map' || !Array.isArray(before)) return () => null;
  const nameOf = (item: Json): string =>
    JSON.stringify(keys.map((key) => isObject(item) ? item[key] ?? null : null));
  const known = new Map((before as readonly Json[]).map((item) => [nameOf(item), item] as const));
  return (item) => {
    const found = known.get(nameOf(item));
    return found === undefined ? null : { value: found };
  };
}

function formerField(former: Former, name: string, atRoot: boolean): Former {
  // Both versions are shown under one name, so that a change of it can not be seen here.
  if (former === null || (atRoot && (name === 'kind' || name === 'apiVersion'))) return null;
  return isObject(former.value) && Object.hasOwn(former.value, name)
    ? { value: former.value[name] ?? null } : null;
}

function checkObject(
  value: JsonObject, schema: JsonSchema, path: string, former: Former, budget: Budget, result: Result,
): void {
  const { properties = {}, additionalProperties, required = [], minProperties, maxProperties } = schema;
  const names = Object.keys(value).sort();
  if (minProperties !== undefined && names.length < minProperties) {
    invalidValue(result, path, names.length, `should have at least ${minProperties} properties`);
  }
  if (maxProperties !== undefined && names.length > maxProperties) {
    failed(result, 'FieldValueTooMany', path, `Too many: ${names.length}`,
      `must have at most ${maxProperties} items`);
  }
  for (const name of names) {
    const known = Object.hasOwn(properties, name) ? properties[name]
      : typeof additionalProperties === 'object' ? additionalProperties : undefined;
    if (known === undefined) continue;
    const under = path === '' && Object.hasOwn(properties, name) ? name : `${path}.${name}`;
    merge(result, check(value[name] ?? null, known, under, formerField(former, name, path === ''), budget));
  }
  for (const name of required) {
    if (!Object.hasOwn(value, name)) {
      failed(result, 'FieldValueRequired', `${path}.${name}`, 'Required value', '');
    }
  }
}

// ── combinations ─────────────────────────────────────────────────────────────────────────────────────────

function checkCombinations(
  value: Json, schema: JsonSchema, path: string, former: Former, budget: Budget, result: Result,
): void {
  const { allOf = [], anyOf = [], oneOf = [], not } = schema, shown = JSON.stringify(path);
  const tryOne = (one: JsonSchema): Result => check(value, one, path, former, budget);
  if (anyOf.length > 0) {
    const tried: Result[] = [];
    let fits: Result | null = null;
    for (const one of anyOf) {
      const outcome = tryOne(one);
      tried.push(outcome);
      if (outcome.failures.length > 0) continue;
      fits = outcome;
      break;
    }
    if (fits === null) combined(result, `${shown} must validate at least one schema (anyOf)`);
    merge(result, fits ?? best(tried));
  }
  if (oneOf.length > 0) {
    const tried = oneOf.map(tryOne), fitting = tried.filter(({ failures }) => failures.length === 0);
    if (fitting.length !== 1) {
      const found = fitting.length === 0 ? 'none valid' : `${fitting.length} valid alternatives`;
      combined(result, `${shown} must validate one and only one schema (oneOf). Found ${found}`);
    }
    if (fitting.length === 0) merge(result, best(tried));
    else if (fitting.length === 1 && fitting[0] !== undefined) merge(result, fitting[0]);
  }
  if (allOf.length > 0) {
    const tried = allOf.map(tryOne), fitting = tried.filter(({ failures }) => failures.length === 0);
    for (const outcome of tried) merge(result, outcome);
    if (fitting.length < tried.length) {
      const none = fitting.length === 0 ? '. None validated' : '';
      combined(result, `${shown} must validate all the schemas (allOf)${none}`);
    }
  }
  if (not !== undefined && tryOne(not).failures.length === 0) {
    combined(result, `${shown} must not validate the schema (not)`);
  }
  result.matched += 1;
}

/** The first of those that were right about most. */
function best(tried: readonly Result[]): Result {
  let found: Result = { failures: [], matched: -1 };
  for (const outcome of tried) if (outcome.matched > found.matched) found = outcome;
  return found;
}
