// get and list. Pages of one list show one revision: what changed since is undone from the window of changes.

import { objectKey, revision as asRevision } from '../ids.ts';
import type { Revision } from '../ids.ts';
import { limits } from '../limits.ts';
import { get, list } from '../state/query.ts';
import type { State } from '../state/state.ts';
import { changesSince } from '../state/watch.ts';
import { listText, objectText, respond } from './output.ts';
import type { Form, ListMeta } from './output.ts';
import { wholeNumber } from './query.ts';
import type { Query } from './query.ts';
import type { ApiResponse } from './request.ts';
import type { Resource } from './resource.ts';
import type { ResourceRoute } from './route.ts';
import { matchesRequirements, parseFieldSelector, parseLabelSelector } from './selector.ts';
import { badRequest, expired, isProblem, notFound } from './status.ts';
import type { Problem } from './status.ts';
import type { KubeObject } from './types.ts';

export function getObject(route: ResourceRoute, state: State, form: Form, nowWallMs: number): ApiResponse | Problem {
  const object = get(state, objectKey(route.resourceName, route.namespace, route.name));
  if (object === null) return notFound(route.resource, route.name);
  return respond(200, objectText(object, route.resource, form, nowWallMs), form.encoding);
}

export type Filter = (object: KubeObject) => boolean;

/** What the label and field selectors of a request let through. */
export function filterOf(query: Query, resource: Resource): Filter | Problem {
  const labels = parseLabelSelector(query.get('labelSelector') ?? '');
  if (!labels.ok) return badRequest(`unable to parse requirement: ${labels.message}`);
  const fields = parseFieldSelector(query.get('fieldSelector') ?? '');
  if (!fields.ok) return badRequest(fields.message);
  for (const { field } of fields.value) {
    if (!isKnownField(field, resource)) {
      return badRequest(`Unable to find "${apiKind(resource)}" that match label selector "", field selector `
        + `"${query.get('fieldSelector') ?? ''}": field label not supported: ${field}`);
    }
  }
  if (labels.value.length === 0 && fields.value.length === 0) return () => true;
  return (object) => matchesRequirements(labels.value, object.metadata.labels)
    && fields.value.every(({ field, equal, value }) => (fieldValue(object, field, resource) === value) === equal);
}

const apiKind = ({ group, version, resource }: Resource): string => `${group === '' ? '' : `${group}/`}${version}, Resource=${resource}`;

function isKnownField(field: string, resource: Resource): boolean {
  return field === 'metadata.name' || (field === 'metadata.namespace' && resource.namespaced) || Object.hasOwn(resource.fields, field);
}

function fieldValue(object: KubeObject, field: string, resource: Resource): string {
  if (field === 'metadata.name') return object.metadata.name;
  if (field === 'metadata.namespace') return object.metadata.namespace ?? '';
  return resource.fields[field]?.(object) ?? '';
}

interface Page { readonly at: Revision; readonly after: string }

export function listObjects(route: ResourceRoute, state: State, query: Query, form: Form, nowWallMs: number): ApiResponse | Problem {
  const filter = filterOf(query, route.resource);
  if (isProblem(filter)) return filter;
  const limit = wholeNumber(query, 'limit');
  if (isProblem(limit)) return limit;
  const page = pageOf(query, state);
  if (isProblem(page)) return page;
  const all = page === null ? list(state, route.resourceName, route.namespace) : listAt(route, state, page.at);
  if (isProblem(all)) return all;
  const at = page === null ? state.revision : page.at;
  const matching = all.filter((object) => filter(object) && (page === null || placeOf(object) > page.after));
  const size = limit === null || limit === 0 ? matching.length : Math.min(limit, limits.listLimitMax);
  const shown = matching.slice(0, size), left = matching.length - shown.length, last = shown.at(-1);
  const selective = query.get('labelSelector') !== undefined || query.get('fieldSelector') !== undefined;
  const meta: ListMeta = {
    resourceVersion: String(at),
    ...left > 0 && last !== undefined ? { continue: tokenOf({ at, after: placeOf(last) }) } : {},
    // As in Kubernetes, the count is only given where no selector makes it a guess.
    ...left > 0 && !selective ? { remainingItemCount: left } : {},
  };
  return respond(200, listText(shown, route.resource, form, meta, nowWallMs), form.encoding);
}

/** Where an object stands in the order of its list. */
const placeOf = ({ metadata }: KubeObject): string => `${metadata.namespace ?? ''}/${metadata.name}`;

/** Which revision is asked for: null for the newest. */
function pageOf(query: Query, state: State): Page | null | Problem {
  const token = query.get('continue');
  if (token !== undefined && token !== '') {
    if (query.get('resourceVersion') !== undefined && query.get('resourceVersion') !== '') {
      return badRequest('specifying resource version is not allowed when using continue');
    }
    return readToken(token) ?? badRequest('continue key is not valid');
  }
  const wanted = wholeNumber(query, 'resourceVersion'), match = query.get('resourceVersionMatch') ?? '';
  if (isProblem(wanted)) return badRequest(`resourceVersion: Invalid value: "${query.get('resourceVersion')}": not a revision`);
  if (match === '') return null;
  if (match !== 'Exact' && match !== 'NotOlderThan') {
    return badRequest(`resourceVersionMatch: Unsupported value: "${match}": supported values: "Exact", "NotOlderThan"`);
  }
  if (wanted === null) return badRequest('resourceVersionMatch is forbidden unless resourceVersion is provided');
  if (match === 'NotOlderThan') return null;
  if (wanted === 0) return badRequest('resourceVersionMatch "Exact" is forbidden for resourceVersion "0"');
  return wanted > state.revision ? badRequest(`Too large resource version: ${wanted}, current: ${state.revision}`)
    : { at: asRevision(wanted), after: '' };
}

/** The list as it was: what changed since is undone, newest first. */
function listAt(route: ResourceRoute, state: State, at: Revision): readonly KubeObject[] | Problem {
  const now = list(state, route.resourceName, route.namespace);
  const prefix = `${route.resourceName}/${route.namespace === '' ? '' : `${route.namespace}/`}`;
  const since = changesSince(state, at, prefix);
  if (since === 'expired') {
    return expired('The provided continue parameter is too old to display a consistent list result. '
      + 'You can start a new list without the continue parameter.');
  }
  if (since.length === 0) return now;
  const then = new Map(now.map((object) => [placeOf(object), object] as const));
  for (const { object, previous } of since.toReversed()) {
    if (previous === null) then.delete(placeOf(object));
    else then.set(placeOf(object), previous);
  }
  return [...then].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
}

function tokenOf({ at, after }: Page): string {
  return [...new TextEncoder().encode(`${at}/${after}`)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function readToken(token: string): Page | null {
  if (!/^([0-9a-f]{2}){3,1200}$/.test(token)) return null;
  const bytes = Uint8Array.from(token.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  const parts = /^(\d{1,15})\/([^/]*\/[^/]+)$/.exec(new TextDecoder().decode(bytes));
  return parts === null ? null : { at: asRevision(Number(parts[1])), after: parts[2] ?? '' };
}
