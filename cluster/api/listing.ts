// A list as the text of its answer, in slices: each is made when it is asked for, so that a list of 100,000
// objects never keeps the peer from its heartbeats.
//
// What always holds: a slice takes a bounded number of objects and characters; the whole is of the state as
// it was when it was begun, for lists that were handed out never change; the slices of a list put together
// are what one text of it would be.

import { stringify } from 'yaml';
import { compareText } from '../state/indexes.ts';
import { lowerBound } from '../state/shelf.ts';
import { unreachable } from '../assert.ts';
import { limits } from '../limits.ts';
import { jsonOf, jsonOnce } from './encoded.ts';
import { apiVersionOf, columnsText, headersOf, partialText, rowText, tableKind } from './output.ts';
import type { Form, ListMeta } from './output.ts';
import type { ApiResponse, Slices } from './request.ts';
import type { Resource } from './resource.ts';
import { viewOf } from './storage.ts';
import type { KubeObject } from './types.ts';

export interface Listing {
  /** In the order of their places. */
  readonly objects: readonly KubeObject[];
  /** What was different at the revision that is shown, by place; null: there was none. */
  readonly then: ReadonlyMap<string, KubeObject | null>;
  /** The place that the page before ended at; empty: none did. */
  readonly after: string;
  /** Null: all are let through. */
  readonly filter: ((object: KubeObject) => boolean) | null;
  readonly size: number;
  readonly meta: (last: KubeObject | null, left: number | null) => ListMeta;
  readonly resource: Resource;
  readonly form: Form;
  readonly nowWallMs: number;
  /** The state holds these very objects, so that their JSON is worth keeping. */
  readonly lasts: boolean;
}

/** Where an object stands in the order of its list. */
export const placeOf = ({ metadata }: KubeObject): string => `${metadata.namespace ?? ''}/${metadata.name}`;

/** A list of all of these, which are not kept in the state. */
export function listOf(
  objects: readonly KubeObject[], resource: Resource, form: Form, nowWallMs: number,
): ApiResponse {
  return listResponse({
    objects, then: new Map(), after: '', filter: null, size: Infinity, meta: () => ({}), resource, form,
    nowWallMs, lasts: false,
  });
}

/** What is small is answered in one piece. */
export function listResponse(listing: Listing): ApiResponse {
  const answer = { status: 200, headers: headersOf(listing.form) };
  const slices = slicesOf(listing), first = slices.next();
  if (first.done === true) return { ...answer, body: '' };
  const second = slices.next();
  return second.done === true ? { ...answer, body: first.value }
    : { ...answer, body: first.value + second.value, rest: slices };
}

function* slicesOf(listing: Listing): Slices {
  const { form, resource } = listing, { meta, objects } = yield* pageOf(listing), layout = layoutOf(form);
  const perSlice = form.encoding === 'yaml' ? limits.sliceYamlObjectsMax : limits.sliceObjectsMax;
  let text = layout.head(headOf(resource, form, meta)), looks = 0, any = false;
  for (const object of inRowOrder(objects, listing)) {
    if (object !== null) {
      text += (any ? layout.between : layout.first) + layout.item(itemText(object, listing));
      any = true;
    }
    looks += 1;
    if (looks < perSlice && text.length < limits.sliceCharsMax) continue;
    yield text;
    text = '';
    looks = 0;
  }
  yield text + (any ? layout.last : layout.none);
}

/** Only kinds of which there are few have an order of their own. */
function inRowOrder(objects: Page['objects'], { resource: { rowOrder }, form }: Listing): Page['objects'] {
  if (rowOrder === undefined || form.as !== 'Table') return objects;
  return [...objects].filter((one) => one !== null).sort(rowOrder);
}

// ── which objects ────────────────────────────────────────────────────────────────────────────────────────

/** `objects`: null for one that is looked at and not shown. */
interface Page { readonly meta: ListMeta; readonly objects: Iterable<KubeObject | null> }

function* pageOf({ objects: now, then, after, filter, size, meta }: Listing): Generator<string, Page, void> {
  const objects = then.size === 0 ? now : yield* asThen(now, then);
  const isBefore = (one: KubeObject): number => compareText(placeOf(one), after) <= 0 ? -1 : 1;
  const from = after === '' ? 0 : lowerBound(objects, isBefore);
  if (filter === null) {
    const to = Math.min(objects.length, from + size), left = objects.length - to;
    const whole = from === 0 && left === 0;
    return { objects: whole ? objects : objects.slice(from, to), meta: meta(objects[to - 1] ?? null, left) };
  }
  if (size === Infinity) return { objects: matching(objects, from, filter), meta: meta(null, 0) };
  const found: KubeObject[] = [];
  let looks = 0;
  for (let at = from; at < objects.length && found.length <= size; at += 1) {
    const object = objects[at] as KubeObject;
    if (filter(object)) found.push(object);
    if ((looks += 1) % limits.sliceLooksMax === 0) yield '';
  }
  // Of how many more match nothing is known but whether there is one.
  if (found.length <= size) return { objects: found, meta: meta(null, 0) };
  found.pop();
  return { objects: found, meta: meta(found.at(-1) ?? null, null) };
}

function* matching(
  objects: readonly KubeObject[], from: number, filter: (object: KubeObject) => boolean,
): Generator<KubeObject | null, void, void> {
  for (let at = from; at < objects.length; at += 1) {
    const object = objects[at] as KubeObject;
    yield filter(object) ? object : null;
  }
}

/** The list as it was: what changed since is undone. */
function* asThen(
  now: readonly KubeObject[], then: Listing['then'],
): Generator<string, readonly KubeObject[], void> {
  const places = [...then.keys()].sort(compareText), found: KubeObject[] = [];
  let at = 0, steps = 0;
  for (const place of places) {
    const to = lowerBound(now, (one) => compareText(placeOf(one), place), at);
    for (; at < to; at += 1) {
      found.push(now[at] as KubeObject);
      if ((steps += 1) % limits.sliceLooksMax === 0) yield '';
    }
    if (at < now.length && placeOf(now[at] as KubeObject) === place) at += 1;
    const old = then.get(place) ?? null;
    if (old !== null) found.push(old);
    if ((steps += 1) % limits.sliceLooksMax === 0) yield '';
  }
  for (; at < now.length; at += 1) {
    found.push(now[at] as KubeObject);
    if ((steps += 1) % limits.sliceLooksMax === 0) yield '';
  }
  return found;
}

// ── how they look ────────────────────────────────────────────────────────────────────────────────────────

function itemText(object: KubeObject, { resource, form, nowWallMs, lasts }: Listing): string {
  const shown = viewOf(resource, object);
  switch (form.as) {
    // Only what the state holds is kept: it says when a text is of no use any more.
    case 'object': return lasts && shown === object ? jsonOf(object) : jsonOnce(shown);
    case 'PartialObjectMetadata': return partialText(shown);
    case 'Table': return rowText(shown, resource, form, nowWallMs);
    default: return unreachable(form.as);
  }
}

/** The list without its items, which come last, under this name. */
interface Head { readonly fields: Readonly<Record<string, unknown>>; readonly items: 'items' | 'rows' }

function headOf(resource: Resource, { as }: Form, metadata: ListMeta): Head {
  switch (as) {
    case 'object': {
      const kind = resource.listKind ?? `${resource.kind}List`;
      return { fields: { kind, apiVersion: apiVersionOf(resource), metadata }, items: 'items' };
    }
    case 'PartialObjectMetadata':
      return { fields: { kind: `${as}List`, apiVersion: 'meta.k8s.io/v1', metadata }, items: 'items' };
    case 'Table': {
      const columnDefinitions: unknown = JSON.parse(columnsText(resource));
      return { fields: { ...tableKind, metadata, columnDefinitions }, items: 'rows' };
    }
    default: return unreachable(as);
  }
}

/** What stands around and between the items of a list, and how an item's JSON is shown. */
interface Layout {
  readonly head: (head: Head) => string;
  readonly first: string;
  readonly between: string;
  readonly item: (json: string) => string;
  readonly last: string;
  /** In place of `last` where there are no items. */
  readonly none: string;
}

const compact: Layout = {
  head: ({ fields, items }) => `${JSON.stringify(fields).slice(0, -1)},"${items}":[`,
  first: '', between: ',', item: (json) => json, last: ']}\n', none: ']}\n',
};

const indented: Layout = {
  head: ({ fields, items }) => JSON.stringify({ ...fields, [items]: [] }, null, 2).slice(0, -']\n}'.length),
  first: '\n    ', between: ',\n    ',
  item: (json) => JSON.stringify(JSON.parse(json), null, 2).replaceAll('\n', '\n    '),
  last: '\n  ]\n}\n', none: ']\n}\n',
};

/** Within a list, lines are as long as elsewhere, their two spaces included. */
const yamlItem = { aliasDuplicateObjects: false, lineWidth: 78 } as const;

const yaml: Layout = {
  head: ({ fields, items }) => `${stringify(fields, { aliasDuplicateObjects: false })}${items}:`,
  first: '\n', between: '',
  item: (json) => stringify([JSON.parse(json)], yamlItem).split('\n')
    .map((line) => line === '' ? '' : `  ${line}`).join('\n'),
  last: '', none: ' []\n',
};

function layoutOf({ encoding, pretty }: Form): Layout {
  return encoding === 'yaml' ? yaml : pretty ? indented : compact;
}
