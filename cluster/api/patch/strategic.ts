// Strategic merge patch: a merge that knows from the kind's schema which lists are maps in disguise (by
// merge key) or sets, and understands $patch, $retainKeys, $setElementOrder and $deleteFromPrimitiveList.
//
// What always holds: no directive is left in the result; the time taken grows with the lists, not with
// their product.
// Source: Kubernetes, "Strategic merge patch" (design) and apimachinery util/strategicpatch, by what they do;
// results, order included, are compared with those of `kubectl patch --local`.

import { canonicalText } from '../../canonical.ts';
import { isObject } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';
import type { Schema } from '../resource.ts';
import { refuse } from './json.ts';
import type { PatchRefusal } from './json.ts';

const orderPrefix = '$setElementOrder/', deletePrefix = '$deleteFromPrimitiveList/';

export function strategicPatch(target: Json, patch: Json, schema: Schema): Json | PatchRefusal {
  if (!isObject(patch)) return refuse('a strategic merge patch is an object', 400);
  try {
    return mergeObject(isObject(target) ? target : {}, patch, schema);
  } catch (error) {
    if (error instanceof Malformed) return refuse(error.message, 400);
    throw error;
  }
}

/** A patch that contradicts itself; caught above, so that every level need not pass it up by hand. */
class Malformed extends Error {}

function mergeObject(target: JsonObject, patch: JsonObject, schema: Schema): JsonObject {
  const { $patch: directive } = patch;
  if (directive === 'replace') return cleaned(patch);
  if (directive === 'delete') return {};
  if (directive !== undefined) throw unknownDirective(directive);
  const result = new Map(Object.entries(target));
  retain(result, patch);
  for (const name of touched(patch)) mergeField(result, name, patch, fieldOf(schema, name));
  return Object.fromEntries(result);
}

const unknownDirective = (directive: Json): Malformed =>
  new Malformed(`unknown patch type: ${JSON.stringify(directive)}`);

/** `$retainKeys`: what it doesn't list goes, which is how one branch of a union takes another's place. */
function retain(result: Map<string, Json>, patch: JsonObject): void {
  const kept = patch['$retainKeys'];
  if (kept === undefined) return;
  if (!Array.isArray(kept)) throw new Malformed('$retainKeys is a list of field names');
  const names = new Set<Json>(kept as readonly Json[]);
  const stray = Object.keys(patch).find((name) => !isDirective(name) && !names.has(name));
  if (stray !== undefined) throw new Malformed(`$retainKeys does not list "${stray}", which the patch sets`);
  for (const name of [...result.keys()]) if (!names.has(name)) result.delete(name);
}

/** The fields that the patch speaks of, be it only by a directive. */
function touched(patch: JsonObject): readonly string[] {
  const names = new Set<string>();
  for (const name of Object.keys(patch)) {
    const prefix = [orderPrefix, deletePrefix].find((each) => name.startsWith(each));
    if (prefix !== undefined) names.add(name.slice(prefix.length));
    else if (name !== '$patch' && name !== '$retainKeys') names.add(name);
  }
  return [...names];
}

function mergeField(
  result: Map<string, Json>, name: string, patch: JsonObject, schema: Schema | null,
): void {
  const value = Object.hasOwn(patch, name) ? patch[name] : undefined, current = result.get(name);
  if (value === null) {
    result.delete(name);
  } else if (isMergedList(schema) && (value === undefined || Array.isArray(value))) {
    const merged = mergeList(listOf(current), listOf(value), schema, listOf(patch[`${deletePrefix}${name}`]));
    const order = orderOf(patch[`${orderPrefix}${name}`], listOf(value), schema);
    const inOrder = ordered(merged, order, listOf(current), schema);
    if (current !== undefined || inOrder.length > 0) result.set(name, inOrder);
  } else if (value === undefined) {
    return;
  } else if (!isObject(value)) {
    result.set(name, cleanedItem(value));
  } else if (schema?.type === 'object' && schema.patch === 'replace' && value['$patch'] === undefined) {
    result.set(name, cleaned(value));
  } else {
    result.set(name, mergeObject(isObject(current) ? current : {}, value, schema ?? { type: 'any' }));
  }
}

type ListSchema = Extract<Schema, { type: 'list' }>;

const isMergedList = (schema: Schema | null): schema is ListSchema =>
  schema?.type === 'list' && (schema.mergeKey !== undefined || schema.set === true);

const listOf = (value: Json | undefined): readonly Json[] => Array.isArray(value) ? value : [];

function fieldOf(schema: Schema, name: string): Schema | null {
  if (schema.type === 'object') {
    return Object.hasOwn(schema.fields, name) ? schema.fields[name] ?? null : null;
  }
  return schema.type === 'map' ? schema.of : null;
}

// ── lists ────────────────────────────────────────────────────────────────────────────────────────────────

/** What an item of the list goes by: its merge key, or itself in a set. */
function identity(item: Json, { mergeKey }: ListSchema): string {
  return canonicalText(mergeKey !== undefined && isObject(item) ? item[mergeKey] ?? null : item);
}

function mergeList(
  current: readonly Json[], patch: readonly Json[], schema: ListSchema, removals: readonly Json[],
): readonly Json[] {
  if (schema.mergeKey === undefined) return mergeSet(current, patch, removals);
  return mergeMaps(current, patch, schema, schema.mergeKey);
}

function mergeMaps(
  current: readonly Json[], patch: readonly Json[], schema: ListSchema, mergeKey: string,
): readonly Json[] {
  const given: JsonObject[] = [], gone = new Set<string>();
  let replaces = false;
  for (const item of patch) {
    if (!isObject(item)) throw new Malformed(`an item of a list merged by "${mergeKey}" is an object`);
    const { $patch: directive } = item;
    if (directive === 'replace') replaces = true;
    else if (directive !== undefined && directive !== 'delete') throw unknownDirective(directive);
    else if (item[mergeKey] === undefined) {
      throw new Malformed(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`);
    } else if (directive === 'delete') gone.add(identity(item, schema));
    else given.push(item);
  }
  // What takes the place of the whole list is taken as it stands.
  if (replaces) return given.map(cleaned);
  const result = current.filter((item) => !gone.has(identity(item, schema)));
  // Several items may go by one key, such as the ports 53 of a DNS server: the first one is meant.
  const places = new Map<string, number>();
  result.forEach((item, at) => {
    const name = identity(item, schema);
    if (isObject(item) && !places.has(name)) places.set(name, at);
  });
  for (const item of given) {
    const name = identity(item, schema), at = places.get(name) ?? result.length, known = result[at];
    result[at] = mergeObject(isObject(known) ? known : {}, item, schema.of);
    places.set(name, at);
  }
  return result;
}

function mergeSet(
  current: readonly Json[], patch: readonly Json[], removals: readonly Json[],
): readonly Json[] {
  const result = new Map([...current, ...patch].map((item) => [canonicalText(item), item] as const));
  for (const item of removals) result.delete(canonicalText(item));
  return [...result.values()];
}

/** The order that the patch asks for: that of `$setElementOrder`, or else that of its own items. */
function orderOf(wanted: Json | undefined, patch: readonly Json[], schema: ListSchema): readonly Json[] {
  if (wanted === undefined) return patch;
  if (!Array.isArray(wanted)) throw new Malformed('$setElementOrder is a list');
  const order = wanted as readonly Json[];
  let at = 0;
  for (const item of patch) {
    if (isObject(item) && item['$patch'] !== undefined) continue;
    while (at < order.length && identity(order[at] ?? null, schema) !== identity(item, schema)) at += 1;
    if (at === order.length) throw new Malformed('the patch is not in the order of $setElementOrder');
    at += 1;
  }
  return order;
}

/**
 * The items that `order` names in its order; the others, which only the server knows, stay where they stood
 * before among those: each goes in front of the first named item that it preceded.
 */
function ordered(
  list: readonly Json[], order: readonly Json[], before: readonly Json[], schema: ListSchema,
): readonly Json[] {
  const placesIn = (items: readonly Json[]): ReadonlyMap<string, number> =>
    new Map(items.map((item, at) => [identity(item, schema), at] as const));
  const wanted = placesIn(order), stood = placesIn(before);
  const placeOf = (places: ReadonlyMap<string, number>, item: Json): number | undefined =>
    places.get(identity(item, schema));
  const named = list.filter((item) => placeOf(wanted, item) !== undefined)
    .sort((a, b) => (placeOf(wanted, a) ?? 0) - (placeOf(wanted, b) ?? 0));
  const others = list.filter((item) => placeOf(wanted, item) === undefined);
  const result: Json[] = [];
  let next = 0;
  for (const item of named) {
    const place = placeOf(stood, item);
    while (next < others.length && place !== undefined) {
      const other = others[next] ?? null, otherPlace = placeOf(stood, other);
      if (otherPlace === undefined || otherPlace >= place) break;
      result.push(other);
      next += 1;
    }
    result.push(item);
  }
  return [...result, ...others.slice(next)];
}

// ── directives out ───────────────────────────────────────────────────────────────────────────────────────

function cleanedItem(value: Json): Json {
  if (isObject(value)) return cleaned(value);
  return Array.isArray(value) ? (value as readonly Json[]).map(cleanedItem) : value;
}

/** Without directives, at every level. */
function cleaned(value: JsonObject): JsonObject {
  const kept = Object.entries(value).filter(([name]) => !isDirective(name));
  return Object.fromEntries(kept.map(([name, field]) => [name, cleanedItem(field)]));
}

const isDirective = (name: string): boolean => name === '$patch' || name === '$retainKeys'
  || name.startsWith(orderPrefix) || name.startsWith(deletePrefix);
