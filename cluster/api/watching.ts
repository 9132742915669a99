// watch: what changes, as it changes, in the form the client asked for.
//
// What always holds: a watch from revision R shows every change after R that concerns it, in order; an object
// that stops matching the selectors is shown as DELETED, one that starts to as ADDED.
// Source: Kubernetes API Concepts, "Efficient detection of changes", "Streaming lists", "Watch bookmarks".

import { revision as asRevision } from '../ids.ts';
import { limits } from '../limits.ts';
import { list } from '../state/query.ts';
import type { Change } from '../state/types.ts';
import { oldestWatchable } from '../state/watch.ts';
import { apiVersionOf, objectText } from './output.ts';
import type { Form } from './output.ts';
import { flag, wholeNumber } from './query.ts';
import type { Query } from './query.ts';
import { filterOf, invalidListOption, prefixOf } from './read.ts';
import type { Filter } from './read.ts';
import type { ApiResult, Slices } from './request.ts';
import type { Resource } from './resource.ts';
import { expired, isProblem, notAcceptable } from './status.ts';
import type { Problem } from './status.ts';
import { viewOf } from './storage.ts';
import type { KubeObject } from './types.ts';
import type { Writing } from './write.ts';

/** `lasts`: the state holds this very object. */
type Line = (type: string, object: KubeObject, nowWallMs: number, lasts?: boolean) => string;

const selectors = ['labelSelector', 'fieldSelector'] as const;

export function watchObjects({ route, state, query, form, context }: Writing): ApiResult | Problem {
  const { resource, resourceName, namespace, name } = route;
  const selected = filterOf(query, resource);
  if (isProblem(selected)) return selected;
  const wanted = wholeNumber(query, 'resourceVersion'), seconds = wholeNumber(query, 'timeoutSeconds');
  if (isProblem(wanted)) return wanted;
  if (isProblem(seconds)) return seconds;
  if (form.encoding === 'yaml') return notAcceptable('application/json');
  const start = startOf(query, wanted);
  if (isProblem(start)) return start;
  const oldest = oldestWatchable(state);
  if (start === 'changes' && wanted !== null && wanted < oldest) {
    return expired(`too old resource version: ${wanted} (${oldest})`);
  }
  const filter: Filter = name === '' ? selected
    : (object) => object.metadata.name === name && selected(object);
  const line: Line = (type, object, nowWallMs, lasts = true) => {
    const shown = viewOf(resource, object);
    const text = objectText(shown, resource, form, nowWallMs, lasts && shown === object);
    return `{"type":"${type}","object":${text}}\n`;
  };
  const bookmarks = flag(query, 'allowWatchBookmarks');
  const mark = start === 'marked' && bookmarks ? bookmarkLine(resource, state.revision, form, true) : '';
  const initial = start === 'changes' ? null
    : existing(list(state, resourceName, namespace), filter, line, context.nowWallMs, mark);
  const from = start === 'changes' ? asRevision(wanted ?? state.revision) : state.revision;
  const timeoutMs = seconds === null || seconds === 0 ? limits.watchTimeoutMsMin : seconds * 1000;
  return {
    type: 'watch',
    watch: {
      headers: { 'content-type': 'application/json', 'cache-control': 'no-cache, private' },
      from, initial, prefix: prefixOf(route), of: resource,
      same: JSON.stringify(
        [namespace, name, form.as, form.include, ...selectors.map((one) => query.get(one))]),
      timeoutMs: Math.min(timeoutMs, limits.watchTimeoutMsMax),
      encode: (change, nowWallMs = context.nowWallMs) => encode(change, filter, line, nowWallMs),
      // A client that knows a newer revision than this peer must not be sent back.
      bookmark: (at) => bookmarks ? bookmarkLine(resource, Math.max(at, from), form, false) : '',
    },
  };
}

/** The objects that exist, in slices, then the `mark` behind them. */
function* existing(
  objects: readonly KubeObject[], filter: Filter, line: Line, nowWallMs: number, mark: string,
): Slices {
  let text = '', looks = 0;
  for (const object of objects) {
    if (filter(object)) text += line('ADDED', object, nowWallMs);
    looks += 1;
    if (looks < limits.sliceObjectsMax && text.length < limits.sliceCharsMax) continue;
    yield text;
    text = '';
    looks = 0;
  }
  yield text + mark;
}

/** What comes first: changes alone, or the objects that exist, `marked` with a bookmark behind them. */
function startOf(query: Query, wanted: number | null): 'changes' | 'objects' | 'marked' | Problem {
  const match = query.get('resourceVersionMatch') ?? '';
  if (!query.has('sendInitialEvents')) {
    if (match !== '') {
      return invalidListOption('resourceVersionMatch',
        'Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided');
    }
    return wanted === null || wanted === 0 ? 'objects' : 'changes';
  }
  if (match !== 'NotOlderThan') {
    return invalidListOption('resourceVersionMatch',
      'Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan');
  }
  return flag(query, 'sendInitialEvents') ? 'marked' : 'changes';
}

function encode(change: Change, filter: Filter, line: Line, nowWallMs: number): string {
  const { type, object, previous, revision } = change;
  const before = previous !== null && filter(previous);
  if (type !== 'DELETED' && filter(object)) return line(before ? 'MODIFIED' : 'ADDED', object, nowWallMs);
  if (!before) return '';
  if (type === 'DELETED') return line('DELETED', object, nowWallMs, false);
  // It left the selection: shown as it last matched, at the revision at which it left.
  const metadata = { ...previous.metadata, resourceVersion: String(revision) };
  return line('DELETED', { ...previous, metadata }, nowWallMs, false);
}

function bookmarkLine(resource: Resource, at: number, form: Form, end: boolean): string {
  const metadata = {
    resourceVersion: String(at),
    ...form.as === 'Table' ? {} : { creationTimestamp: null },
    ...end ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {},
  };
  return `${JSON.stringify({ type: 'BOOKMARK', object: { ...bookmarkKind(resource, form), metadata } })}\n`;
}

function bookmarkKind(resource: Resource, { as }: Form): object {
  switch (as) {
    case 'object': return { kind: resource.kind, apiVersion: apiVersionOf(resource) };
    case 'Table': return { kind: 'Table', apiVersion: 'meta.k8s.io/v1', columnDefinitions: [], rows: [] };
    case 'PartialObjectMetadata': return { kind: as, apiVersion: 'meta.k8s.io/v1' };
  }
}
