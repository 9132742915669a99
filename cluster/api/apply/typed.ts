// Whether an applied configuration has the form of its kind: what Kubernetes says of one that has not.
//
// An apply, unlike other writes, does not know of unknown fields that are passed over: each is an error,
// whatever `fieldValidation` says. Source: structured-merge-diff, typed (Validate), by what it says.

import { unreachable } from '../../assert.ts';
import { limits } from '../../limits.ts';
import { isObject } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';
import type { ListSchema, Schema } from '../resource.ts';
import { fieldElement, pathText } from './elements.ts';
import { fieldSchema, itemElement, listIn } from './shape.ts';

interface Checking { readonly path: string[]; readonly errors: string[] }

/** What is wrong with it, in Kubernetes' words; empty: nothing. */
export function typeErrors(value: Json, schema: Schema): string {
  const checking: Checking = { path: [], errors: [] };
  check(value, schema, checking);
  const { errors } = checking;
  return errors.length < 2 ? errors[0] ?? '' : ['errors:', ...errors.map((each) => `  ${each}`)].join('\n');
}

function fails({ path, errors }: Checking, why: string): void {
  if (errors.length >= limits.complaintsMax) return;
  errors.push(path.length === 0 ? why : `${pathText(path)}: ${why}`);
}

function check(value: Json, schema: Schema, checking: Checking): void {
  if (value === null) return;
  switch (schema.type) {
    case 'any': return;
    case 'string': case 'bytes':
      if (typeof value !== 'string') {
        fails(checking, `expected string, got &value.valueUnstructured{Value:${goSyntax(value)}}`);
      }
      return;
    case 'integer': case 'number':
      if (typeof value !== 'number') {
        fails(checking, `expected numeric (int or float), got ${goType(value)}`);
      }
      return;
    case 'boolean':
      if (typeof value !== 'boolean') fails(checking, `expected boolean, got &{${goText(value)}}`);
      return;
    case 'quantity': case 'int-or-string': case 'time':
      if (typeof value === 'object') fails(checking, `expected any scalar, got &{${goText(value)}}`);
      return;
    case 'list':
      if (Array.isArray(value)) checkItems(listIn(value), schema, checking);
      else fails(checking, `expected list, got &{${goText(value)}}`);
      return;
    case 'map': case 'object':
      if (isObject(value)) checkFields(value, schema, checking);
      else fails(checking, `expected map, got &{${goText(value)}}`);
      return;
    default: unreachable(schema);
  }
}

function checkFields(value: JsonObject, schema: Schema, checking: Checking): void {
  for (const name of Object.keys(value)) {
    const known = fieldSchema(schema, name);
    checking.path.push(fieldElement(name));
    if (known === null) fails(checking, 'field not declared in schema');
    else check(value[name] ?? null, known, checking);
    checking.path.pop();
    // As Kubernetes: what follows an unknown field is not looked at.
    if (known === null) return;
  }
}

function checkItems(list: readonly Json[], schema: ListSchema, checking: Checking): void {
  const seen = new Set<string>();
  for (const [at, item] of list.entries()) {
    let element: string | { readonly wrong: string } = `i:${at}`;
    if (schema.owned !== undefined) {
      element = itemElement(item, schema);
      if (typeof element !== 'string') return fails(checking, `element ${at}: ${element.wrong}`);
      if (seen.has(element)) fails(checking, `duplicate entries for key ${pathText([element])}`);
      seen.add(element);
    }
    checking.path.push(element);
    check(item, schema.of, checking);
    checking.path.pop();
  }
}

// ── values as Go prints them ─────────────────────────────────────────────────────────────────────────────

function goType(value: Json): string {
  if (Array.isArray(value)) return '[]interface {}';
  if (isObject(value)) return 'map[string]interface {}';
  return typeof value === 'boolean' ? 'bool' : 'string';
}

/** `%v` */
function goText(value: Json): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return `[${listIn(value).map(goText).join(' ')}]`;
  if (!isObject(value)) return String(value);
  const fields = Object.keys(value).sort().map((name) => `${name}:${goText(value[name] ?? null)}`);
  return `map[${fields.join(' ')}]`;
}

/** `%#v` */
function goSyntax(value: Json): string {
  if (value === null) return 'interface {}(nil)';
  if (Array.isArray(value)) return `[]interface {}{${listIn(value).map(goSyntax).join(', ')}}`;
  if (!isObject(value)) return JSON.stringify(value);
  const fields = Object.keys(value).sort()
    .map((name) => `${JSON.stringify(name)}:${goSyntax(value[name] ?? null)}`);
  return `map[string]interface {}{${fields.join(', ')}}`;
}
