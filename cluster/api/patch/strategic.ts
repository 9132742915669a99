// Strategic merge patch: a merge that knows from the kind's schema which lists are maps in disguise (by merge key)
// or sets, and understands the directives $patch, $retainKeys, $setElementOrder and $deleteFromPrimitiveList.
// Source: apimachinery util/strategicpatch and its design document; observable behaviour only.

import { canonicalText } from '../../canonical.ts';
import type { Json, JsonObject } from '../decode.ts';
import type { Schema } from '../resource.ts';
import type { PatchRefusal } from './json.ts';
import { isObject } from './merge.ts';

const orderPrefix = '$setElementOrder/', deletePrefix = '$deleteFromPrimitiveList/';

export function strategicPatch(target: Json, patch: Json, schema: Schema): Json | PatchRefusal {
  if (!isObject(patch)) return { refused: 'a strategic merge patch is an object', code: 400 };
  try {
    return mergeObject(isObject(target) ? target : {}, patch, schema);
  } catch (error) {
    if (error instanceof Malformed) return { refused: error.message, code: 400 };
    throw error;
  }
}

/** A patch that contradicts itself; caught above, so that every level need not pass it up by hand. */
class Malformed extends Error {}

function mergeObject(target: JsonObject, patch: JsonObject, schema: Schema): JsonObject {
  const directive = patch['$patch'];
  if (directive === 'replace') return clean(patch);
  if (directive === 'delete') return {};
  if (directive !== undefined && directive !== 'merge') throw new Malformed(`Unknown patch type found: ${String(directive)}`);
  const retain = patch['$retainKeys'];
  const result = new Map(Object.entries(target));
  if (Array.isArray(retain)) for (const name of [...result.keys()]) if (!retain.includes(name)) result.delete(name);
  for (const [name, value] of Object.entries(patch)) {
    if (name === '$patch' || name === '$retainKeys') continue;
    if (name.startsWith(orderPrefix) || name.startsWith(deletePrefix)) {
      const field = name.slice(name.indexOf('/') + 1);
      // Handled with the field itself; alone, it still has to be carried out.
      if (!(field in patch)) apply(result, field, undefined, patch, fieldOf(schema, field));
      continue;
    }
    apply(result, name, value, patch, fieldOf(schema, name));
  }
  return Object.fromEntries(result);
}

function apply(
  result: Map<string, Json>, name: string, value: Json | undefined, patch: JsonObject, schema: Schema | null,
): void {
  if (value === null) {
    result.delete(name);
    return;
  }
  const current = result.get(name);
  const order = patch[`${orderPrefix}${name}`], removals = patch[`${deletePrefix}${name}`];
  if (schema?.type === 'list' && (schema.mergeKey !== undefined || schema.set === true)
    && (value === undefined || Array.isArray(value))) {
    const list = mergeList(asList(current), asList(value), schema, asList(removals));
    result.set(name, Array.isArray(order) ? ordered(list, order, asList(current), schema.mergeKey) : list);
  } else if (value === undefined) {
    return;
  } else if (isObject(value) && schema?.type === 'object' && schema.patch === 'replace' && value['$patch'] === undefined) {
    result.set(name, clean(value));
  } else if (isObject(value)) {
    result.set(name, mergeObject(isObject(current) ? current : {}, value, schema ?? { type: 'any' }));
  } else {
    result.set(name, value);
  }
}

const asList = (value: Json | undefined): readonly Json[] => Array.isArray(value) ? value : [];

function fieldOf(schema: Schema, name: string): Schema | null {
  if (schema.type === 'object') return Object.hasOwn(schema.fields, name) ? schema.fields[name] ?? null : null;
  return schema.type === 'map' ? schema.of : null;
}

function mergeList(
  current: readonly Json[], patch: readonly Json[], schema: Extract<Schema, { type: 'list' }>, removals: readonly Json[],
): Json[] {
  const { mergeKey } = schema;
  if (mergeKey === undefined) {
    const gone = new Set(removals.map(canonicalText));
    const kept = current.filter((item) => !gone.has(canonicalText(item))), known = new Set(kept.map(canonicalText));
    return [...kept, ...patch.filter((item) => !known.has(canonicalText(item)))];
  }
  if (patch.some((item) => isObject(item) && item['$patch'] === 'replace' && item[mergeKey] === undefined)) {
    return patch.filter((item) => !(isObject(item) && item['$patch'] === 'replace' && Object.keys(item).length === 1)).map(cleanItem);
  }
  const result = [...current];
  for (const item of patch) {
    if (!isObject(item)) throw new Malformed(`an element of a list that is merged by "${mergeKey}" is an object`);
    const key = item[mergeKey];
    if (key === undefined) throw new Malformed(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`);
    const at = result.findIndex((each) => isObject(each) && each[mergeKey] === key);
    if (item['$patch'] === 'delete') {
      for (let n = result.length - 1; n >= 0; n--) if (isObject(result[n]) && (result[n] as JsonObject)[mergeKey] === key) result.splice(n, 1);
    } else if (at < 0) result.push(cleanItem(mergeObject({}, item, schema.of)));
    else result[at] = mergeObject(result[at] as JsonObject, item, schema.of);
  }
  return result;
}

/** In the order asked for; what that does not name keeps its place behind what preceded it. */
function ordered(list: readonly Json[], order: readonly Json[], before: readonly Json[], mergeKey: string | undefined): Json[] {
  const nameOf = (item: Json): string => canonicalText(mergeKey !== undefined && isObject(item) ? item[mergeKey] ?? null : item);
  const wanted = new Map(order.map((item, at) => [nameOf(item), at] as const));
  const named = list.filter((item) => wanted.has(nameOf(item)))
    .sort((a, b) => (wanted.get(nameOf(a)) ?? 0) - (wanted.get(nameOf(b)) ?? 0));
  const place = new Map(before.map((item, at) => [nameOf(item), at] as const));
  const result = [...named];
  for (const item of list) {
    if (wanted.has(nameOf(item))) continue;
    const own = place.get(nameOf(item)) ?? Infinity;
    const at = result.findIndex((each) => (place.get(nameOf(each)) ?? Infinity) > own);
    if (at < 0) result.push(item);
    else result.splice(at, 0, item);
  }
  return result;
}

const cleanItem = (item: Json): Json => isObject(item) ? clean(item) : item;

/** Without directives, at every level. */
function clean(value: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !name.startsWith('$'))
    .map(([name, field]) => [name, isObject(field) ? clean(field) : Array.isArray(field) ? field.map(cleanItem) : field]));
}
