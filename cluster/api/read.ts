// get and list. Pages of one list show one revision: what changed since is undone from the window of changes.
//
// What always holds: a list shows its objects as they were at the revision that it names.
// Source: Kubernetes API Concepts, "Retrieving large results sets in chunks", "Resource versions".

import { objectKey, revision as asRevision } from '../ids.ts';
import type { Revision } from '../ids.ts';
import { limits } from '../limits.ts';
import { get, list } from '../state/query.ts';
import type { State } from '../state/state.ts';
import { changesSince } from '../state/watch.ts';
import { listResponse, placeOf } from './listing.ts';
import { nodeLease, withNodeLeases } from './nodelease.ts';
import { wholeNumber } from './query.ts';
import type { Query } from './query.ts';
import type { ApiResponse } from './request.ts';
import type { Resource } from './resource.ts';
import type { ResourceRoute } from './route.ts';
import { matchesRequirements, parseFieldSelector, parseLabelSelector } from './selector.ts';
import type { FieldTerm } from './selector.ts';
import { badRequest, expired, invalid, isProblem, notFound, tooLargeRevision } from './status.ts';
import type { Problem } from './status.ts';
import { viewOf } from './storage.ts';
import type { KubeObject } from './types.ts';
import { objectResponse } from './write.ts';
import type { Writing } from './write.ts';

export function getObject(writing: Writing): ApiResponse | Problem {
  const { route, state, query } = writing;
  const wanted = revisionOf(query, state);
  if (isProblem(wanted)) return wanted;
  const stored = get(state, objectKey(route.resourceName, route.namespace, route.name));
  const object = stored ?? nodeLease(writing);
  return object === null ? notFound(route.resource, route.name) : objectResponse(writing, object, 200);
}

// ── selection ────────────────────────────────────────────────────────────────────────────────────────────

export type Filter = (object: KubeObject) => boolean;

const everything: Filter = () => true;

/** What the label and field selectors of a request let through. */
export function filterOf(query: Query, resource: Resource): Filter | Problem {
  const labels = parseLabelSelector(query.get('labelSelector') ?? '');
  if (!labels.ok) return badRequest(labels.message);
  const fields = parseFieldSelector(query.get('fieldSelector') ?? '');
  if (!fields.ok) return badRequest(fields.message);
  for (const { field } of fields.value) {
    if (!isKnownField(field, resource)) return badRequest(`field label not supported: ${field}`);
  }
  if (labels.value.length === 0 && fields.value.length === 0) return everything;
  const fits = (object: KubeObject, { field, equal, value }: FieldTerm): boolean =>
    (fieldValue(object, field, resource) === value) === equal;
  return (object) => matchesRequirements(labels.value, object.metadata.labels)
    && fields.value.every((term) => fits(viewOf(resource, object), term));
}

function isKnownField(field: string, { namespaced, fields }: Resource): boolean {
  if (field === 'metadata.namespace') return namespaced;
  return field === 'metadata.name' || Object.hasOwn(fields, field);
}

function fieldValue(object: KubeObject, field: string, resource: Resource): string {
  if (field === 'metadata.name') return object.metadata.name;
  if (field === 'metadata.namespace') return object.metadata.namespace ?? '';
  return resource.fields[field]?.(object) ?? '';
}

/** The key prefix of what a collection's path covers. */
export const prefixOf = ({ resourceName, namespace }: ResourceRoute): string =>
  `${resourceName}/${namespace === '' ? '' : `${namespace}/`}`;

// ── lists ────────────────────────────────────────────────────────────────────────────────────────────────

/** `at` null: the newest revision. `after`: where the page before ended, empty for the first page. */
interface Page { readonly at: Revision | null; readonly after: string; readonly continued: boolean }

export function listObjects(writing: Writing): ApiResponse | Problem {
  const { route, state, query, form, context } = writing;
  const filter = filterOf(query, route.resource);
  if (isProblem(filter)) return filter;
  const limit = wholeNumber(query, 'limit');
  if (isProblem(limit)) return limit;
  const page = pageOf(query, state, limit ?? 0);
  if (isProblem(page)) return page;
  const then = page.at === null ? nothing : differenceSince(writing, page.at, page);
  if (isProblem(then)) return then;
  const at = page.at ?? state.revision, plain = filter === everything;
  return listResponse({
    objects: withNodeLeases(writing, list(state, route.resourceName, route.namespace)),
    then, after: page.after, form,
    filter: plain ? null : filter, resource: route.resource, nowWallMs: context.nowWallMs,
    lasts: then.size === 0,
    size: limit === null || limit === 0 ? Infinity : Math.min(limit, limits.listLimitMax),
    meta: (last, left) => ({
      resourceVersion: String(at),
      ...left !== 0 && last !== null ? { continue: tokenOf(String(at), placeOf(last)) } : {},
      // As in Kubernetes, the count is only given where no selector makes it a guess.
      ...left !== null && left > 0 ? { remainingItemCount: left } : {},
    }),
  });
}

function pageOf(query: Query, state: State, limit: number): Page | Problem {
  const token = query.get('continue') ?? '', match = query.get('resourceVersionMatch') ?? '';
  const named = (query.get('resourceVersion') ?? '') !== '';
  const refuse = (field: string, message: string): Problem =>
    invalidListOption(field, `Forbidden: ${message}`);
  if (query.has('sendInitialEvents')) {
    return refuse('sendInitialEvents', 'sendInitialEvents is forbidden for list');
  }
  if (token !== '') {
    if (match !== '') {
      return refuse('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided');
    }
    if (named && query.get('resourceVersion') !== '0') {
      return badRequest('specifying resource version is not allowed when using continue');
    }
    const page = readToken(token);
    if (page === null) return badRequest('continue key is not valid');
    return page.at !== null && page.at > state.revision ? tooLargeRevision(page.at, state.revision) : page;
  }
  const wanted = revisionOf(query, state);
  if (isProblem(wanted)) return wanted;
  if (match !== '' && !named) {
    return refuse('resourceVersionMatch',
      'resourceVersionMatch is forbidden unless resourceVersion is provided');
  }
  const newest: Page = { at: null, after: '', continued: false };
  switch (match) {
    case 'NotOlderThan': return newest;
    case 'Exact':
      if (wanted === 0) {
        return refuse('resourceVersionMatch',
          'resourceVersionMatch "Exact" is forbidden for resourceVersion "0"');
      }
      return { ...newest, at: wanted };
    // Without a word on it, a chunked list is of the very revision; any other may be newer.
    case '': return limit > 0 && wanted !== null && wanted !== 0 ? { ...newest, at: wanted } : newest;
    default: {
      const supported = 'supported values: "Exact", "NotOlderThan", ""';
      return invalidListOption('resourceVersionMatch',
        `Unsupported value: ${JSON.stringify(match)}: ${supported}`);
    }
  }
}

export function invalidListOption(field: string, message: string): Problem {
  const reason = message.startsWith('Forbidden') ? 'FieldValueForbidden' : 'FieldValueNotSupported';
  const subject = { group: 'meta.k8s.io', resource: 'ListOptions', kind: 'ListOptions' };
  return invalid(subject, '', [{ reason, message, field }]);
}

/** The revision that the client names; null where it names none. One that is still to come is refused. */
function revisionOf(query: Query, state: State): Revision | null | Problem {
  const wanted = wholeNumber(query, 'resourceVersion');
  if (isProblem(wanted) || wanted === null) return wanted;
  return wanted > state.revision ? tooLargeRevision(wanted, state.revision) : asRevision(wanted);
}

const nothing: ReadonlyMap<string, KubeObject | null> = new Map();

/** What was different then, by place. */
function differenceSince(
  { route, state }: Writing, at: Revision, page: Page,
): ReadonlyMap<string, KubeObject | null> | Problem {
  const since = changesSince(state, at, prefixOf(route));
  if (since === 'expired') {
    return page.continued ? expired(expiredPage, tokenOf('newest', page.after))
      : expired('The resourceVersion for the provided list is too old.');
  }
  const then = new Map<string, KubeObject | null>();
  for (const { object, previous } of since) {
    const place = placeOf(object);
    if (!then.has(place)) then.set(place, previous);
  }
  return then;
}

const expiredPage = 'The provided continue parameter is too old to display a consistent list result. You can '
  + 'start a new list without the continue parameter, or use the continue token in this response to retrieve '
  + 'the remainder of the results. Continuing with the provided token results in an inconsistent list - '
  + 'objects that were created, modified, or deleted between the time the first chunk was returned and now '
  + 'may show up in the list.';

// ── continue tokens: opaque to clients ───────────────────────────────────────────────────────────────────

/** `at`: a revision, or `newest` for the rest of a list whose revision is forgotten. */
function tokenOf(at: string, after: string): string {
  return btoa(`${at}/${after}`).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

function readToken(token: string): Page | null {
  if (token.length > limits.continueCharsMax || token.length % 4 === 1) return null;
  if (!/^[A-Za-z0-9_-]+$/.test(token)) return null;
  const text = atob(token.replaceAll('-', '+').replaceAll('_', '/'));
  const parts = /^(newest|\d{1,15})\/([^/]*\/[^/]+)$/.exec(text);
  if (parts === null) return null;
  const [, at = '', after = ''] = parts;
  return { at: at === 'newest' ? null : asRevision(Number(at)), after, continued: true };
}

/** The revision that the state must have for this continue token; null for none. */
export const pinnedRevision = (token: string): Revision | null => readToken(token)?.at ?? null;
