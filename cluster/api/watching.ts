// watch: what changes, as it changes, in the form the client asked for.
//
// What always holds: a watch from revision R shows every change after R that concerns it, in order; an object that
// stops matching the selectors is shown as DELETED, one that starts to as ADDED.

import { revision as asRevision } from '../ids.ts';
import { limits } from '../limits.ts';
import { list } from '../state/query.ts';
import type { State } from '../state/state.ts';
import type { Change } from '../state/types.ts';
import { oldestWatchable } from '../state/watch.ts';
import { objectText } from './output.ts';
import type { Form } from './output.ts';
import { flag, wholeNumber } from './query.ts';
import type { Query } from './query.ts';
import { filterOf } from './read.ts';
import type { Filter } from './read.ts';
import type { WatchRequest } from './request.ts';
import { apiVersionOf } from './output.ts';
import type { Resource } from './resource.ts';
import type { ResourceRoute } from './route.ts';
import { badRequest, expired, isProblem } from './status.ts';
import type { Problem } from './status.ts';
import type { KubeObject } from './types.ts';

export function watchObjects(route: ResourceRoute, state: State, query: Query, form: Form, nowWallMs: number): WatchRequest | Problem {
  const filter = filterOf(query, route.resource);
  if (isProblem(filter)) return filter;
  const wanted = wholeNumber(query, 'resourceVersion'), seconds = wholeNumber(query, 'timeoutSeconds');
  if (isProblem(wanted)) return badRequest(`resourceVersion: Invalid value: "${query.get('resourceVersion')}": not a revision`);
  if (isProblem(seconds)) return seconds;
  if (form.encoding === 'yaml') return badRequest('a watch is served as JSON only');
  const initial = initialEventsWanted(query, wanted);
  if (isProblem(initial)) return initial;
  const named = route.name === '' ? filter : (object: KubeObject): boolean => object.metadata.name === route.name && filter(object);
  const { resource } = route;
  const line = (type: string, object: KubeObject): string => `{"type":"${type}","object":${objectText(object, resource, form, nowWallMs)}}\n`;
  if (initial === 'none' && (wanted ?? 0) < oldestWatchable(state) && wanted !== null && wanted !== 0) {
    return expired(`too old resource version: ${wanted} (${oldestWatchable(state)})`);
  }
  const bookmarks = flag(query, 'allowWatchBookmarks');
  const first = initial === 'none' ? [] : list(state, route.resourceName, route.namespace).filter(named).map((object) => line('ADDED', object));
  if (initial === 'marked' && bookmarks) first.push(bookmarkLine(resource, String(state.revision), form, true));
  return {
    headers: { 'content-type': 'application/json', 'cache-control': 'no-cache, private' },
    from: initial === 'none' ? asRevision(wanted ?? state.revision) : state.revision,
    initial: first,
    prefix: `${route.resourceName}/${route.namespace === '' ? '' : `${route.namespace}/`}`,
    encode: (change) => encode(change, named, line),
    bookmark: (at) => bookmarks ? bookmarkLine(resource, String(at), form, false) : '',
    timeoutMs: seconds === null || seconds === 0 ? limits.watchTimeoutMsMin : Math.min(seconds * 1000, limits.watchTimeoutMsMax),
  };
}

/** Whether the objects that exist come first: `legacy` without a mark behind them. */
function initialEventsWanted(query: Query, wanted: number | null): 'none' | 'legacy' | 'marked' | Problem {
  const match = query.get('resourceVersionMatch') ?? '';
  if (query.get('sendInitialEvents') === undefined) {
    if (match !== '') return badRequest('resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided');
    return wanted === null || wanted === 0 ? 'legacy' : 'none';
  }
  if (match !== 'NotOlderThan') {
    return badRequest('sendInitialEvents requires setting resourceVersionMatch to NotOlderThan');
  }
  if (flag(query, 'sendInitialEvents')) return 'marked';
  return 'none';
}

function encode(change: Change, filter: Filter, line: (type: string, object: KubeObject) => string): string {
  const now = change.type !== 'DELETED' && filter(change.object);
  const before = change.previous !== null && filter(change.previous);
  if (now) return line(before ? 'MODIFIED' : 'ADDED', change.object);
  if (!before || change.previous === null) return '';
  if (change.type === 'DELETED') return line('DELETED', change.object);
  // It left the selection: shown as it last matched, at the revision at which it left.
  const { metadata } = change.previous;
  return line('DELETED', { ...change.previous, metadata: { ...metadata, resourceVersion: String(change.revision) } });
}

function bookmarkLine(resource: Resource, resourceVersion: string, form: Form, end: boolean): string {
  const annotations = end ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {};
  const kind = form.as === 'object' ? { kind: resource.kind, apiVersion: apiVersionOf(resource) }
    : form.as === 'Table' ? { kind: 'Table', apiVersion: 'meta.k8s.io/v1', columnDefinitions: [], rows: [] }
      : { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1' };
  const metadata = form.as === 'Table' ? { resourceVersion } : { resourceVersion, creationTimestamp: null, ...annotations };
  return `${JSON.stringify({ type: 'BOOKMARK', object: { ...kind, metadata } })}\n`;
}
