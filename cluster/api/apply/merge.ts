// An applied configuration over the live object, and items taken out of an object: the two ways in which an
// apply changes one.
//
// What always holds: nothing goes by merging; in a list of items the configuration's order holds among what
// it names, and the others stay where they stood; what a merge does not touch is shared with the live object.
// Source: structured-merge-diff, typed (Merge, RemoveItems), by what they do.

import { isObject } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';
import type { ListSchema, Schema } from '../resource.ts';
import { fieldElement } from './elements.ts';
import { below, isEmpty, isIn, leaf, noFields, nodeOf, stepsOf } from './fields.ts';
import type { Fields } from './fields.ts';
import { fieldSchema, isNamed, itemElement, itemsByElement, kindOf, listIn, objectIn } from './shape.ts';

export function merge(live: Json | undefined, applied: Json | undefined, schema: Schema): Json {
  if (applied === undefined) return live ?? null;
  if (live === undefined) return applied;
  const kind = kindOf(applied, schema);
  // A configuration that says null of a structure or of a list takes nothing from it.
  if (applied === null && kind !== 'whole' && live !== null) return live;
  if (kind === 'whole' || kindOf(live, schema) !== kind) return applied;
  return kind === 'items' ? mergeItems(listIn(live), listIn(applied), schema as ListSchema)
    : mergeFields(objectIn(live), objectIn(applied), schema);
}

function mergeFields(live: JsonObject, applied: JsonObject, schema: Schema): Json {
  const merged = new Map<string, Json>(Object.entries(live));
  for (const name of Object.keys(applied)) {
    const known = fieldSchema(schema, name), before = Object.hasOwn(live, name) ? live[name] : undefined;
    if (known !== null) merged.set(name, merge(before, applied[name] ?? null, known));
  }
  return Object.fromEntries(merged);
}

function mergeItems(live: readonly Json[], applied: readonly Json[], schema: ListSchema): Json {
  const elements = live.map((item) => elementOf(item, schema));
  const wanted = applied.map((item) => elementOf(item, schema));
  const lives = itemsByElement(live, schema), given = new Set(wanted);
  const shared = wanted.filter((element) => lives.has(element));
  const merged: Json[] = [], done = new Set<string>();
  let l = 0, a = 0, s = 0;
  const takeApplied = (element: string): void => {
    // Of several alike none is what the configuration means.
    const alike = lives.get(element) ?? [];
    merged.push(merge(alike.length > 1 ? null : alike[0], applied[a] ?? null, schema.of));
    done.add(element);
    a += 1;
    if (shared[s] === element) s += 1;
  };
  while (l < elements.length || a < wanted.length) {
    const element = elements[l], next = wanted[a], turn = shared[s];
    if (element !== undefined && element === next) {
      takeApplied(next);
      l += 1;
    } else if (element !== undefined && !given.has(element)) {
      merged.push(live[l] ?? null);
      l += 1;
    } else if (next === undefined || (element !== undefined && turn !== undefined && turn !== element)) {
      // It comes when the configuration's order comes to it, or came already.
      l += 1;
    } else {
      if (element !== undefined && done.has(element)) l += 1;
      takeApplied(next);
    }
  }
  return merged;
}

function elementOf(item: Json, schema: ListSchema): string {
  const element = itemElement(item, schema);
  return typeof element === 'string' ? element : '';
}

// ── removal ──────────────────────────────────────────────────────────────────────────────────────────────

/** The value without the fields and items of the set; null where nothing is left of it. */
export function remove(value: Json, set: Fields, schema: Schema): Json {
  if (isEmpty(set)) return value;
  switch (kindOf(value, schema)) {
    // A part of what is owned as a whole does not go alone.
    case 'whole': return isObject(value) || Array.isArray(value) ? null : value;
    case 'items': return removeItems(listIn(value), set, schema as ListSchema);
    case 'fields': return removeFields(objectIn(value), set, schema);
  }
}

function removeFields(value: JsonObject, set: Fields, schema: Schema): Json {
  const kept: [string, Json][] = [];
  for (const [name, field] of Object.entries(value)) {
    const element = fieldElement(name);
    if (isIn(set, element)) continue;
    const inner = below(set, element), known = fieldSchema(schema, name);
    kept.push([name, known === null ? field : remove(field, inner, known)]);
  }
  return kept.length === 0 ? null : Object.fromEntries(kept);
}

function removeItems(list: readonly Json[], set: Fields, schema: ListSchema): Json {
  const kept: Json[] = [];
  for (const item of list) {
    const element = elementOf(item, schema);
    if (!isIn(set, element)) kept.push(remove(item, below(set, element), schema.of));
  }
  return kept.length === 0 ? null : kept;
}

/**
 * The set with the named fields that it goes through: who owned fields of a structure owned the structure,
 * and it goes with the last of them.
 */
export function withNamedFields(set: Fields, schema: Schema | null): Fields {
  const steps = stepsOf(set).map((step) => [step, nodeWithNames(set, step, schema)] as const);
  return nodeOf(false, steps) ?? noFields;
}

function nodeWithNames(set: Fields, step: string, schema: Schema | null): Fields {
  const inner = below(set, step), isField = step.startsWith('f:');
  if (isEmpty(inner)) return leaf;
  const known = schema === null ? null : isField ? fieldSchema(schema, step.slice(2))
    : schema.type === 'list' ? schema.of : null;
  const named = isField && isNamed(schema, step.slice(2));
  const { '.': _, ...root } = inner;
  const steps = withNamedFields(root, known);
  const inOrder = stepsOf(steps).map((each) => [each, steps[each] ?? leaf] as const);
  return nodeOf(named || isIn(set, step), inOrder) ?? leaf;
}
