// The API server as a function: a request and the state in, an answer, a command or a stream out.
//
// What always holds: nothing here changes the state, waits, or looks at anything but its arguments; whatever a client
// sends, it gets a well-formed answer.

import { revision as asRevision } from '../ids.ts';
import type { State } from '../state/state.ts';
import { parseBody } from './decode.ts';
import { discoveryPage } from './discovery.ts';
import { openapiPage } from './openapi.ts';
import { negotiate, respond } from './output.ts';
import type { Form } from './output.ts';
import { flag, parseQuery } from './query.ts';
import type { Query } from './query.ts';
import { getObject, listObjects } from './read.ts';
import { deleteCollection, deleteObject } from './remove.ts';
import type { ApiContext, ApiRequest, ApiResponse, ApiResult, Freshness } from './request.ts';
import { route } from './route.ts';
import type { ResourceRoute } from './route.ts';
import { isProblem, methodNotAllowed, noSuchPath, problemResponse } from './status.ts';
import type { Problem } from './status.ts';
import { bind, finalize, logs, scale } from './subresources.ts';
import { watchObjects } from './watching.ts';
import { createObject, patchObject, updateObject } from './write.ts';
import type { Writing } from './write.ts';

/**
 * How fresh the state must be for this request. Reads are linearizable unless the client settles for less
 * (`resourceVersion=0`), and so are writes that depend on what is there; a create depends on nothing: `apply` decides.
 */
export function freshness(request: ApiRequest): Freshness {
  const found = route(request.path), query = parseQuery(request.query);
  if (isProblem(found) || found.type !== 'resource' || isProblem(query)) return { type: 'local' };
  if (request.method === 'POST' && found.name === '') return { type: 'local' };
  const wanted = query.get('resourceVersion') ?? '';
  if (request.method !== 'GET') return { type: isWatch(query) ? 'local' : 'linearizable' };
  if (wanted === '' && !isWatch(query)) return { type: 'linearizable' };
  const known = Number(wanted);
  // Whatever revision will do, but some state there must be: nothing is not the cluster's state at any time, and
  // what is told as of revision 0 can't be watched from.
  return Number.isSafeInteger(known) && known >= 0
    ? { type: 'at-least', revision: asRevision(Math.max(1, known)) } : { type: 'local' };
}

export function handle(request: ApiRequest, state: State, context: ApiContext): ApiResult {
  const result = answer(request, state, context);
  if (isProblem(result)) return { type: 'response', response: problemResponse(result) };
  return 'type' in result ? result : { type: 'response', response: result };
}

type Answer = ApiResult | ApiResponse | Problem;

function answer(request: ApiRequest, state: State, context: ApiContext): Answer {
  const query = parseQuery(request.query);
  if (isProblem(query)) return query;
  const found = route(request.path);
  if (isProblem(found)) return found;
  if (found.type === 'page') {
    return discoveryPage(found.parts, request, query, context) ?? openapiPage(found.parts, request) ?? noSuchPath();
  }
  const form = negotiate(request.headers['accept'], query);
  if (isProblem(form)) return form;
  if (found.type === 'review') return review(request, found.kind, form);
  return toResource({ request, route: found, query, form, state, context });
}

const isWatch = (query: Query): boolean => flag(query, 'watch');

function toResource(writing: Writing): Answer {
  const { request, route: target } = writing;
  switch (target.subresource) {
    case '': return target.name === '' ? toCollection(writing) : toObject(writing);
    case 'status': return request.method === 'GET' || request.method === 'PUT' || request.method === 'PATCH'
      ? toObject(writing) : methodNotAllowed();
    case 'scale': return ['GET', 'PUT', 'PATCH'].includes(request.method) ? scale(writing) : methodNotAllowed();
    case 'binding': return request.method === 'POST' ? bind(writing) : methodNotAllowed();
    case 'finalize': return request.method === 'PUT' ? finalize(writing) : methodNotAllowed();
    case 'log': return request.method === 'GET' ? logs(writing) : methodNotAllowed();
    default: return noSuchPath();
  }
}

function toCollection(writing: Writing): Answer {
  const { request, route: target, state, query, form, context } = writing;
  if (!allows(target, verbFor(request.method, query))) return methodNotAllowed();
  switch (request.method) {
    case 'GET': case 'HEAD':
      return isWatch(query) ? watch(writing) : listObjects(target, state, query, form, context.nowWallMs);
    case 'POST': return target.resource.kind === 'Binding' ? bind(writing) : createObject(writing);
    case 'DELETE': return deleteCollection(writing);
    default: return methodNotAllowed();
  }
}

function toObject(writing: Writing): Answer {
  const { request, route: target, state, query, form, context } = writing;
  if (!allows(target, request.method === 'DELETE' ? 'delete' : request.method === 'GET' ? 'get' : 'update')) return methodNotAllowed();
  switch (request.method) {
    case 'GET': case 'HEAD': return isWatch(query) ? watch(writing) : getObject(target, state, form, context.nowWallMs);
    case 'PUT': return updateObject(writing);
    case 'PATCH': return patchObject(writing);
    case 'DELETE': return deleteObject(writing);
    default: return methodNotAllowed();
  }
}

function watch({ route: target, state, query, form, context }: Writing): Answer {
  const found = watchObjects(target, state, query, form, context.nowWallMs);
  return isProblem(found) ? found : { type: 'watch', watch: found };
}

function verbFor(method: string, query: Query): string {
  if (method === 'POST') return 'create';
  if (method === 'DELETE') return 'deletecollection';
  return isWatch(query) ? 'watch' : 'list';
}

function allows({ resource }: ResourceRoute, verb: string): boolean { return resource.verbs.includes(verb); }

/** Who may do what is not restricted yet: whoever holds a certificate of the cluster's CA may do everything. */
function review(request: ApiRequest, kind: string, form: Form): Answer {
  if (request.method !== 'POST') return methodNotAllowed();
  const body = parseBody(request.body, request.headers['content-type'] ?? '');
  if (isProblem(body)) return body;
  const given = typeof body.value === 'object' && body.value !== null && !Array.isArray(body.value) ? body.value : {};
  const everything = { verbs: ['*'], apiGroups: ['*'], resources: ['*'] };
  const status = kind === 'SelfSubjectAccessReview' ? { allowed: true }
    : kind === 'SelfSubjectReview' ? { userInfo: { username: request.user.name, groups: request.user.groups } }
      : { resourceRules: [everything], nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }], incomplete: false };
  const group = kind === 'SelfSubjectReview' ? 'authentication.k8s.io' : 'authorization.k8s.io';
  return respond(201, JSON.stringify({ ...given, kind, apiVersion: `${group}/v1`, status }), form.encoding);
}
