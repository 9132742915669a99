// The API server as a function: a request and the state in; an answer, a command or a stream out.
//
// What always holds: nothing here changes the state, waits, or looks at anything but its arguments;
// whatever a client sends, it gets a well-formed answer.

import { revision as asRevision } from '../ids.ts';
import { limits } from '../limits.ts';
import type { State } from '../state/state.ts';
import { permitted } from './access/access.ts';
import { openidPage } from './access/oidc.ts';
import { reviewOf } from './access/reviews.ts';
import { requestToken } from './access/tokenrequest.ts';
import { reviewToken } from './access/tokenreview.ts';
import { applyObject, isApply } from './apply/request.ts';
import { parseBody } from './body.ts';
import { isWanted, remembered } from './callout/call.ts';
import { createObject } from './create.ts';
import { conversionsOf, goOn } from './custom/conversion.ts';
import type { Conversions } from './custom/conversion.ts';
import { withDeprecation } from './deprecation.ts';
import { discoveryPage } from './discovery.ts';
import { podLogs } from './logs.ts';
import { openapiPage } from './openapi/page.ts';
import { inForm, negotiate, respond, warnedResponse } from './output.ts';
import { flag, parseQuery } from './query.ts';
import type { Query } from './query.ts';
import { getObject, listObjects, pinnedRevision } from './read.ts';
import { deleteCollection, deleteObject } from './remove.ts';
import { registryOf } from './registry.ts';
import type {
  ApiContext, ApiRequest, ApiResponse, ApiResult, Freshness, Slices, WatchRequest,
} from './request.ts';
import { route } from './route.ts';
import type { ResourceRoute } from './route.ts';
import { isProblem, methodNotAllowed, noSuchPath, problem, problemResponse } from './status.ts';
import type { Problem } from './status.ts';
import { podStreams } from './streams.ts';
import { bind, finalize, scale } from './subresources.ts';
import { patchObject, updateObject } from './update.ts';
import { measuredObjects } from './usage.ts';
import { watchObjects } from './watching.ts';
import type { Writing } from './write.ts';

/**
 * How fresh the state must be for this request. Reads are linearizable unless the client settles for less
 * (`resourceVersion=0`), and so are writes that depend on what is there; a create depends on nothing, for
 * `apply` decides.
 */
export function freshness(request: ApiRequest, state: State): Freshness {
  const found = route(request.path, registryOf(state)), query = parseQuery(request.query);
  // Another peer may have heard of a kind that this one is still to learn of.
  if (isProblem(found) && request.path.startsWith('/apis/')) return { type: 'linearizable' };
  if (isProblem(found) || found.type !== 'resource' || isProblem(query)) return { type: 'local' };
  const creates = request.method === 'POST' && found.name === '' && found.resource.kind !== 'Binding';
  if (creates) return { type: 'local' };
  if (!isRead(request)) return { type: 'linearizable' };
  const token = query.get('continue') ?? '', wanted = query.get('resourceVersion') ?? '';
  if (wanted === '' && token === '' && !isWatch(query)) return { type: 'linearizable' };
  const known = token === '' ? Number(wanted) : pinnedRevision(token) ?? 0;
  // Whatever revision will do, but some state there must be: nothing is not the cluster's state at any time,
  // and what is told as of revision 0 can't be watched from.
  return Number.isSafeInteger(known) && known >= 0
    ? { type: 'at-least', revision: asRevision(Math.max(1, known)) } : { type: 'local' };
}

export function handle(request: ApiRequest, state: State, context: ApiContext): ApiResult {
  const audit = new Map<string, string>(), result = answer(request, state, context, audit);
  const end = ended(request, result);
  return audit.size === 0 ? end : { ...end, audit };
}

function ended(request: ApiRequest, result: Answer): ApiResult {
  if (isWanted(result)) return { type: 'calls', calls: result.calls };
  if (isProblem(result)) return told(request, warnedResponse(problemResponse(result), result.warnings));
  if (!('type' in result)) return told(request, result);
  if (result.type !== 'command') return result.type === 'response' ? told(request, result.response) : result;
  const { render } = result.pending;
  return {
    ...result, pending: {
      render(outcome) {
        const response = render(outcome);
        return response === 'retry' ? response : refusalInForm(request, response);
      },
    },
  };
}

function told(request: ApiRequest, response: ApiResponse): ApiResult {
  return { type: 'response', response: refusalInForm(request, response) };
}

/** A refusal is a Status in the form that the client asked for, where it asked for one that there is. */
function refusalInForm({ headers, query }: ApiRequest, response: ApiResponse): ApiResponse {
  if (response.status < 400 || headers['accept'] === undefined) return response;
  const parsed = parseQuery(query), form = isProblem(parsed) ? parsed : negotiate(headers['accept'], parsed);
  return isProblem(form) ? response : inForm(response, form);
}

type Watching = Extract<ApiResult, { type: 'watch' }>;
type Answer = ApiResult | ApiResponse | Problem;

const isRead = ({ method }: ApiRequest): boolean => method === 'GET' || method === 'HEAD';
const isWatch = (query: Query): boolean => flag(query, 'watch');

function answer(
  sent: ApiRequest, state: State, context: ApiContext, audit: Map<string, string>,
): Answer {
  const query = parseQuery(sent.query);
  if (isProblem(query)) return query;
  const request = permitted(sent, query, state);
  if (isProblem(request)) return request;
  const registry = registryOf(state), found = route(request.path, registry);
  if (isProblem(found)) return found;
  if (found.type === 'page') {
    return discoveryPage(found.parts, request, query, context, registry)
      ?? openapiPage(found.parts, request, query, context, registry)
      ?? openidPage(found.parts, request, state, context) ?? noSuchPath();
  }
  const form = negotiate(request.headers['accept'], query, found.type !== 'review');
  if (isProblem(form)) return form;
  if (found.type === 'review') {
    if (request.method !== 'POST') return methodNotAllowed();
    const body = parseBody(request.body, request.headers['content-type']);
    if (isProblem(body)) return body;
    const { kind, namespace } = found, { user } = request;
    const review = kind === 'TokenReview' ? reviewToken(body, state, context.nowWallMs)
      : reviewOf({ kind, namespace, user, state }, body, context.nowWallMs);
    return isProblem(review) ? review : respond(201, JSON.stringify(review), form);
  }
  return converting({ request, route: found, query, form, state, context, audit });
}

/** Gone through until all conversions are known that it needs; of most kinds that is once. */
function converting(writing: Writing): Answer {
  const { state, context, audit, route: { resource } } = writing;
  const conversions = conversionsOf(resource, state);
  if (conversions === null) return atResource(writing);
  const draws = remembered(context), target = { ...writing.route, resource: conversions.resource(resource) };
  for (let round = 0; round < limits.conversionRoundsMax; round++) {
    const again = draws.again(), noted = new Map<string, string>();
    const result = whole(atResource({ ...writing, route: target, context: again, audit: noted }));
    const wanted = conversions.missing(context.answers, again.uid);
    if (wanted === null) {
      for (const [name, text] of noted) audit.set(name, text);
      return 'type' in result && result.type === 'watch' ? convertingLater(result, conversions) : result;
    }
    if (wanted !== goOn) return wanted;
  }
  return problem(500, '', 'the object has no end of conversions');
}

/** Nothing is left to be made later, from objects that are not converted by then. */
function whole(result: Answer): Answer {
  if (isProblem(result)) return result;
  const answered = (response: ApiResponse): ApiResponse =>
    response.rest === undefined ? response : { ...response, rest: slices([...response.rest]) };
  if (!('type' in result)) return answered(result);
  if (result.type === 'response') return { ...result, response: answered(result.response) };
  if (result.type !== 'watch' || result.watch.initial === null) return result;
  return { ...result, watch: { ...result.watch, initial: slices([...result.watch.initial]) } };
}

function* slices(made: readonly string[]): Slices { yield* made; }

/** What changes is converted as it comes, one change after the other. */
function convertingLater(result: Watching, conversions: Conversions): ApiResult {
  const { watch } = result;
  conversions.forget();
  const later: WatchRequest['later'] = (change, context) => {
    for (let round = 0; round < limits.conversionRoundsMax; round++) {
      const lines = watch.encode(change, context.nowWallMs);
      const wanted = conversions.missing(context.answers, context.uid);
      if (wanted === goOn) continue;
      conversions.forget();
      return wanted ?? lines;
    }
    return problem(500, '', 'the object has no end of conversions');
  };
  return { ...result, watch: { ...watch, later } };
}

function atResource(writing: Writing): Answer {
  const { resource } = writing.route;
  return verbAllowed(writing) ? withDeprecation(toResource(writing), resource) : refusedVerb(writing);
}

/** A custom kind that goes takes nothing new. */
function refusedVerb({ request, route: target }: Writing): Problem {
  return target.resource.custom !== true || request.method !== 'POST' ? methodNotAllowed()
    : problem(405, 'MethodNotAllowed', 'create not allowed while custom resource definition is terminating');
}

/** Whether the kind has this verb at all; subresources have verbs of their own. */
function verbAllowed({ request, route: target, query }: Writing): boolean {
  const { resource, subresource, name } = target;
  const verb = verbOf(request.method, name === '', isWatch(query));
  // Finalizers of what is left of a custom kind can be taken away, though discovery does not say so.
  const lastWrite = resource.custom === true && (verb === 'update' || verb === 'patch');
  return subresource !== '' || lastWrite || resource.verbs.includes(verb);
}

function verbOf(method: string, collection: boolean, watches: boolean): string {
  switch (method) {
    case 'GET': case 'HEAD': return watches ? 'watch' : collection ? 'list' : 'get';
    case 'POST': return collection ? 'create' : '';
    case 'PUT': return collection ? '' : 'update';
    case 'PATCH': return collection ? '' : 'patch';
    case 'DELETE': return collection ? 'deletecollection' : 'delete';
    default: return '';
  }
}

function toResource(writing: Writing): Answer {
  const { request, route: target } = writing, { method } = request;
  const replaces = method === 'PUT' || method === 'PATCH', creates = method === 'POST';
  switch (target.subresource) {
    case '':
      if (target.resource.measured === true) return measuredObjects(writing);
      return target.name === '' ? toCollection(writing, target) : toObject(writing);
    case 'status': case 'approval': case 'ephemeralcontainers':
      return isRead(request) || replaces ? toObject(writing) : methodNotAllowed();
    case 'scale': return isRead(request) || replaces ? scale(writing) : methodNotAllowed();
    case 'binding': return creates ? bind(writing) : methodNotAllowed();
    case 'finalize': return method === 'PUT' ? finalize(writing) : methodNotAllowed();
    case 'token': return creates ? requestToken(writing) : methodNotAllowed();
    case 'log': return isRead(request) ? podLogs(writing) : methodNotAllowed();
    case 'exec': case 'attach': case 'portforward':
      return creates || method === 'GET' ? podStreams(writing, target.subresource) : methodNotAllowed();
    default: return noSuchPath();
  }
}

function toCollection(writing: Writing, { resource }: ResourceRoute): Answer {
  switch (writing.request.method) {
    case 'GET': case 'HEAD': return isWatch(writing.query) ? watchObjects(writing) : listObjects(writing);
    case 'POST': return resource.kind === 'Binding' ? bind(writing) : createObject(writing);
    case 'DELETE': return deleteCollection(writing);
    default: return methodNotAllowed();
  }
}

function toObject(writing: Writing): Answer {
  switch (writing.request.method) {
    case 'GET': case 'HEAD': return isWatch(writing.query) ? watchObjects(writing) : getObject(writing);
    case 'PUT': return updateObject(writing);
    case 'PATCH': return isApply(writing) ? applyObject(writing) : patchObject(writing);
    case 'DELETE': return deleteObject(writing);
    default: return methodNotAllowed();
  }
}
