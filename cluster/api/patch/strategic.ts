// Strategic merge patch: a merge that knows from the kind's schema which lists are maps in disguise (by
// merge key) or sets, and understands $patch, $retainKeys, $setElementOrder and $deleteFromPrimitiveList.
//
// What always holds: no directive is left in the result; the time taken grows with the lists, not with
// their product.
// Source: Kubernetes, "Strategic merge patch" (design) and apimachinery util/strategicpatch, by what they do.

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
  const { $patch: directive, $retainKeys: retain } = patch;
  if (directive === 'replace') return cleaned(patch);
  if (directive === 'delete') return {};
  if (directive !== undefined && directive !== 'merge') {
    throw new Malformed(`Unknown patch type found: ${JSON.stringify(directive)}`);
  }
  const result = new Map(Object.entries(target));
  if (Array.isArray(retain)) {
    for (const name of [...result.keys()]) if (!retain.includes(name)) result.delete(name);
  }
  for (const name of touched(patch)) mergeField(result, name, patch, fieldOf(schema, name));
  return Object.fromEntries(result);
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
    const order = patch[`${orderPrefix}${name}`];
    const inOrder = Array.isArray(order)
      ? ordered(merged, order as readonly Json[], listOf(current), schema) : merged;
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
  const replaces = (item: Json): boolean => isObject(item) && item['$patch'] === 'replace';
  if (patch.some(replaces)) {
    // The directive alone is no item of the list.
    const alone = (item: Json): boolean => replaces(item) && Object.keys(item as JsonObject).length === 1;
    return patch.filter((item) => !alone(item)).map(cleanedItem);
  }
  // A list may hold a key twice (a port for TCP and for UDP): a patch changes the first, and deletes all.
  const result: (Json | undefined)[] = [...current], places = new Map<string, number[]>();
  const place = (item: Json, at: number): void => {
    const name = identity(item, schema), known = places.get(name);
    if (known === undefined) places.set(name, [at]);
    else known.push(at);
  };
  current.forEach(place);
  for (const item of patch) {
    if (!isObject(item) || item[schema.mergeKey] === undefined) {
      const shown = JSON.stringify(item);
      throw new Malformed(`map: ${shown} does not contain declared merge key: ${schema.mergeKey}`);
    }
    const name = identity(item, schema), known = places.get(name) ?? [], [first = result.length] = known;
    if (item['$patch'] === 'delete') {
      for (const at of known) result[at] = undefined;
      places.delete(name);
      continue;
    }
    const before = result[first];
    result[first] = mergeObject(isObject(before) ? before : {}, item, schema.of);
    if (known.length === 0) places.set(name, [first]);
  }
  return result.filter((item) => item !== undefined);
}

function mergeSet(
  current: readonly Json[], patch: readonly Json[], removals: readonly Json[],
): readonly Json[] {
  const gone = new Set(removals.map(canonicalText)), result = new Map<string, Json>();
  for (const item of current) if (!gone.has(canonicalText(item))) result.set(canonicalText(item), item);
  for (const item of patch) result.set(canonicalText(item), item);
  return [...result.values()];
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
