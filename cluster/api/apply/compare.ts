// Which fields an object has, and which of them a write changed: the sets that owners are given.
//
// What always holds: old and new are walked together, once, and what they share is not looked into.
// Source: structured-merge-diff, typed (ToFieldSet, Compare), by what they do. Of its three sets of changes,
// modified and added are used only together, so they are one here.

import { sameContent } from '../../canonical.ts';
import { isObject } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';
import type { ListSchema, Schema } from '../resource.ts';
import { fieldElement, sortNames } from './elements.ts';
import { inOrder, leaf, noFields, nodeOf } from './fields.ts';
import type { Fields } from './fields.ts';
import { alwaysThere, fieldSchema, isNamed, itemsByElement, kindOf, listIn, objectIn } from './shape.ts';

type Step = readonly [string, Fields];

export interface Comparison {
  /** What is new or different. */
  readonly written: Fields;
  readonly removed: Fields;
}

// ── the fields of a configuration ────────────────────────────────────────────────────────────────────────

/** Every field and item that the value speaks of; what the schema does not know is passed over. */
export function fieldsOf(value: Json, schema: Schema): Fields {
  return nodeOf(false, stepsIn(value, schema)) ?? noFields;
}

function stepsIn(value: Json, schema: Schema): Step[] {
  switch (kindOf(value, schema)) {
    case 'whole': return [];
    case 'items': return itemSteps(listIn(value), schema as ListSchema);
    case 'fields': return fieldSteps(objectIn(value), schema);
  }
}

function fieldSteps(value: JsonObject, schema: Schema): Step[] {
  const steps: Step[] = [];
  for (const name of sortNames(Object.keys(value))) {
    const field = value[name] ?? null, known = fieldSchema(schema, name);
    if (known === null) continue;
    const bare = field === null || (isObject(field) && Object.keys(field).length === 0);
    const node = nodeOf(bare || !isNamed(schema, name) || kindOf(field, known) === 'whole',
      stepsIn(field, known));
    if (node !== null) steps.push([fieldElement(name), node]);
  }
  return steps;
}

function itemSteps(list: readonly Json[], schema: ListSchema): Step[] {
  const steps: Step[] = [];
  for (const [element, alike] of itemsByElement(list, schema)) {
    const [item = null] = alike;
    steps.push([element, nodeOf(true, alike.length > 1 ? [] : stepsIn(item, schema.of)) ?? leaf]);
  }
  return inOrder(steps);
}

// ── what changed ─────────────────────────────────────────────────────────────────────────────────────────

/**
 * `zeroed`: what is new has the fields that Go's types always have, as what a client wrote has once it was
 * decoded; what an apply adds has not.
 */
export function compare(before: Json, after: Json, schema: Schema, zeroed: boolean): Comparison {
  const changes = diff(before, after, schema, zeroed);
  return { written: rootOf(changes?.written), removed: rootOf(changes?.removed) };
}

function rootOf(node: Fields | null | undefined): Fields {
  if (node === null || node === undefined) return noFields;
  const { '.': _, ...root } = node;
  return root;
}

interface Changes { readonly written: Fields | null; readonly removed: Fields | null }

/** Undefined: there was, or is, no such value. */
function diff(
  before: Json | undefined, after: Json | undefined, schema: Schema, zeroed: boolean,
): Changes | null {
  if (before === after) return null;
  if (before === undefined) return { written: whole(after ?? null, schema, zeroed), removed: null };
  if (after === undefined) return { written: null, removed: whole(before, schema, true) };
  const kind = kindOf(before, schema), now = kindOf(after, schema);
  if (kind === 'whole' && now === 'whole') {
    return sameContent(before, after) ? null : { written: leaf, removed: null };
  }
  // Undescribed values of different kinds: the one as a whole is another, the fields come or go.
  if (kind === 'whole') {
    return { written: nodeOf(before !== null, wholeFields(objectIn(after), schema, zeroed)), removed: null };
  }
  if (now === 'whole') {
    const removed = nodeOf(false, wholeFields(objectIn(before), schema, true));
    return { written: after === null ? null : leaf, removed };
  }
  return kind === 'items' ? diffItems(listIn(before), listIn(after), schema as ListSchema, zeroed)
    : diffFields(objectIn(before), objectIn(after), schema, zeroed);
}

function diffFields(
  before: JsonObject, after: JsonObject, schema: Schema, zeroed: boolean,
): Changes | null {
  const changed: string[] = [];
  for (const name of Object.keys(after)) if (before[name] !== after[name]) changed.push(name);
  for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) changed.push(name);
  const zeros = schema.type === 'object' && changed.length > 0 ? alwaysThere(schema) : null;
  const written: Step[] = [], removed: Step[] = [];
  for (const name of sortNames(changed)) {
    const known = fieldSchema(schema, name);
    if (known === null) continue;
    const zero = zeros?.get(name);
    const changes = diff(own(before, name, zero), own(after, name, zero), known, zeroed);
    take(changes, fieldElement(name), written, removed);
  }
  return changesOf(written, removed);
}

const own = (value: JsonObject, name: string, otherwise: Json | undefined): Json | undefined =>
  Object.hasOwn(value, name) ? value[name] : otherwise;

function take(changes: Changes | null, element: string, written: Step[], removed: Step[]): void {
  if (changes === null) return;
  if (changes.written !== null) written.push([element, changes.written]);
  if (changes.removed !== null) removed.push([element, changes.removed]);
}

function changesOf(written: readonly Step[], removed: readonly Step[]): Changes | null {
  if (written.length === 0 && removed.length === 0) return null;
  return { written: nodeOf(false, written), removed: nodeOf(false, removed) };
}

function diffItems(
  before: readonly Json[], after: readonly Json[], schema: ListSchema, zeroed: boolean,
): Changes | null {
  const olds = itemsByElement(before, schema), news = itemsByElement(after, schema);
  const written: Step[] = [], removed: Step[] = [];
  for (const element of new Set([...olds.keys(), ...news.keys()])) {
    const old = olds.get(element) ?? [], now = news.get(element) ?? [];
    take(diffAlike(old, now, schema.of, zeroed), element, written, removed);
  }
  return changesOf(inOrder(written), inOrder(removed));
}

/** Items of one element: one at most, but for lists that should not be as they are. */
function diffAlike(
  before: readonly Json[], after: readonly Json[], schema: Schema, zeroed: boolean,
): Changes | null {
  if (before.length <= 1 && after.length <= 1) return diff(before[0], after[0], schema, zeroed);
  if (before.length > 1 && after.length > 1) {
    return sameContent(before, after) ? null : { written: leaf, removed: null };
  }
  const [old] = before, [now] = after;
  if (before.length > 1) {
    return { written: now === undefined ? null : whole(now, schema, zeroed), removed: leaf };
  }
  return { written: leaf, removed: old === undefined ? null : whole(old, schema, true) };
}

// ── what came or went as a whole ─────────────────────────────────────────────────────────────────────────

/** The node of a value that was not there before: itself, and all that it holds. */
function whole(value: Json, schema: Schema, zeroed: boolean): Fields {
  switch (kindOf(value, schema)) {
    case 'whole': return leaf;
    case 'items': return nodeOf(true, wholeItems(listIn(value), schema as ListSchema, zeroed)) ?? leaf;
    case 'fields': return nodeOf(true, wholeFields(objectIn(value), schema, zeroed)) ?? leaf;
  }
}

function wholeFields(value: JsonObject, schema: Schema, zeroed: boolean): Step[] {
  const zeros = zeroed && schema.type === 'object' ? alwaysThere(schema) : null;
  const names = Object.keys(value);
  for (const name of zeros?.keys() ?? []) if (!Object.hasOwn(value, name)) names.push(name);
  const steps: Step[] = [];
  for (const name of sortNames(names)) {
    const known = fieldSchema(schema, name);
    const field = own(value, name, zeros?.get(name)) ?? null;
    if (known !== null) steps.push([fieldElement(name), whole(field, known, zeroed)]);
  }
  return steps;
}

function wholeItems(list: readonly Json[], schema: ListSchema, zeroed: boolean): Step[] {
  const steps: Step[] = [];
  for (const [element, alike] of itemsByElement(list, schema)) {
    const [item = null] = alike;
    steps.push([element, alike.length > 1 ? leaf : whole(item, schema.of, zeroed)]);
  }
  return inOrder(steps);
}
