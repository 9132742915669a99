// delete and deletecollection: grace, preconditions, propagation, finalizers.
//
// What always holds: nothing goes that does not meet the request's preconditions; a collection goes in
// bounded commands, each computed from the state as it is by then.
// Source: apiserver registry/generic/registry/store.go; core/namespace storage. How one goes: deletion.ts.

import { objectKey } from '../ids.ts';
import { limits } from '../limits.ts';
import { get, list } from '../state/query.ts';
import type { Op } from '../state/types.ts';
import { admission, validate } from './admission/chain.ts';
import type { Admission } from './admission/chain.ts';
import { isObject, parseBody } from './body.ts';
import type { Json, JsonObject } from './body.ts';
import { isWanted, Wanted } from './callout/call.ts';
import type { Callout } from './callout/call.ts';
import { deletion } from './deletion.ts';
import type { Propagation } from './deletion.ts';
import { jsonOnce } from './encoded.ts';
import { respond } from './output.ts';
import { wholeNumber } from './query.ts';
import type { Query } from './query.ts';
import { filterOf } from './read.ts';
import type { ApiResponse, ApiResult } from './request.ts';
import {
  badRequest, conflict, forbidden, fromRefusal, invalid, isProblem, notFound, problemResponse, success,
} from './status.ts';
import type { Problem } from './status.ts';
import { viewOf } from './storage.ts';
import type { KubeObject } from './types.ts';
import { answered, objectResponse, unsupportedOption, writeOptions } from './write.ts';
import type { Writing } from './write.ts';

interface DeleteOptions {
  readonly graceSeconds: number | null;
  /** Empty: any. */
  readonly uid: string;
  readonly resourceVersion: string;
  /** Null: as the object's own finalizers have it. */
  readonly propagation: Propagation | null;
  readonly dryRun: boolean;
}

/** The namespaces that a cluster can't do without. */
const keptNamespaces = ['default', 'kube-system', 'kube-public'];

export function deleteObject(writing: Writing): ApiResult | Problem {
  const { route, state } = writing, { resource, name } = route, options = optionsOf(writing);
  if (isProblem(options)) return options;
  if (resource.kind === 'Namespace' && keptNamespaces.includes(name)) {
    return forbidden(resource, name, 'this namespace may not be deleted');
  }
  const old = get(state, objectKey(route.resourceName, route.namespace, name));
  if (old === null) return notFound(resource, name);
  const differs = preconditionProblem(writing, old, options);
  if (differs !== null) return differs;
  const write = deleted(writing, old, options), refused = validate(write);
  if (refused !== null) return refused;
  const op = deletionOf(writing, old, options), { warnings } = write;
  if (op === null) return answered(objectResponse(writing, old, 200, warnings));
  const show = (object: KubeObject): ApiResponse =>
    op.op === 'update' ? objectResponse(writing, object, 200, warnings)
      : goneResponse(writing, object, warnings);
  if (options.dryRun) return answered(show(op.op === 'update' ? op.object : old));
  return {
    type: 'command', ops: [op],
    pending: {
      render(outcome) {
        const [object] = outcome.ok ? outcome.objects : [];
        if (outcome.ok) return show(object ?? old);
        // Preconditions, if there are any, are looked at again on the newer object.
        if (outcome.refusal.reason === 'Conflict') return 'retry';
        return problemResponse(fromRefusal(outcome.refusal, resource, name));
      },
    },
  };
}

function preconditionProblem({ route }: Writing, old: KubeObject, options: DeleteOptions): Problem | null {
  const { resource, name } = route, { metadata } = old;
  const differs = (what: string, wanted: string, found: string): Problem => conflict(resource, name,
    `Precondition failed: ${what} in precondition: ${wanted}, ${what} in object meta: ${found}`);
  if (options.uid !== '' && options.uid !== metadata.uid) return differs('UID', options.uid, metadata.uid);
  if (options.resourceVersion === '' || options.resourceVersion === metadata.resourceVersion) return null;
  return differs('ResourceVersion', options.resourceVersion, metadata.resourceVersion);
}

/** A Status that says what is gone. */
function goneResponse(
  { route, form }: Writing, { metadata }: KubeObject, warnings: readonly string[],
): ApiResponse {
  const { group, resource } = route.resource, { name, uid } = metadata;
  const details = { name, ...group === '' ? {} : { group }, kind: resource, uid };
  return respond(200, JSON.stringify(success(details)), form, warnings);
}

/** The write that a delete of this object is. */
function deleted(writing: Writing, old: KubeObject, { dryRun }: DeleteOptions): Admission {
  return admission(writing, {
    operation: 'DELETE', object: null, old: viewOf(writing.route.resource, old), dryRun,
    name: old.metadata.name,
  });
}

/**
 * Deletes what the selectors pick, a bounded number at a time: after each command the request is evaluated
 * again, until nothing is left that is not on its way out.
 */
export function deleteCollection(writing: Writing): ApiResult | Problem {
  const { route, state, query, form } = writing, { resource } = route, options = optionsOf(writing);
  if (isProblem(options)) return options;
  const filter = filterOf(query, resource);
  if (isProblem(filter)) return filter;
  const ops: Op[] = [], wanted: Callout[] = [];
  let bytes = 0, more = false;
  for (const object of list(state, route.resourceName, route.namespace)) {
    if (!filter(object) || preconditionProblem(writing, object, options) !== null) continue;
    const refused = validate(deleted(writing, object, options));
    if (isWanted(refused)) wanted.push(...refused.calls);
    else if (refused !== null) return refused;
    const op = deletionOf(writing, object, options);
    if (op === null) continue;
    bytes += op.key.length + (op.op === 'update' ? jsonOnce(op.object).length : 0);
    // A third: so many bytes UTF-8 may make of a character.
    const full = ops.length >= limits.deletionsPerCommandMax || bytes > limits.objectBytesMax / 3;
    more = full && ops.length > 0;
    if (more) break;
    ops.push(op);
  }
  if (wanted.length > 0) return new Wanted(wanted);
  const { group, resource: kind } = resource;
  const done = respond(200, JSON.stringify(success({ ...group === '' ? {} : { group }, kind })), form);
  if (ops.length === 0 || options.dryRun) return answered(done);
  return {
    type: 'command', ops,
    pending: {
      render(outcome) {
        if (outcome.ok) return more ? 'retry' : done;
        // One of them changed or went meanwhile: look again at what is left.
        const { reason } = outcome.refusal;
        if (reason === 'Conflict' || reason === 'NotFound') return 'retry';
        return problemResponse(fromRefusal(outcome.refusal, resource, ''));
      },
    },
  };
}

function deletionOf({ route, context }: Writing, object: KubeObject, options: DeleteOptions): Op | null {
  const { graceSeconds, propagation } = options;
  return deletion(route.resourceName, object, { nowWallMs: context.nowWallMs, graceSeconds, propagation });
}

// ── options ──────────────────────────────────────────────────────────────────────────────────────────────

/** From the body where there is one, else from the query. */
function optionsOf({ request, query }: Writing): DeleteOptions | Problem {
  const asked = writeOptions(query, 'DeleteOptions');
  if (isProblem(asked)) return asked;
  const given = request.body === null || request.body.length === 0 ? optionsOfQuery(query)
    : optionsOfBody(request.body, request.headers['content-type']);
  if (isProblem(given)) return given;
  const { gracePeriodSeconds: grace = null, preconditions = {}, dryRun = [] } = given;
  if (grace !== null && !Number.isSafeInteger(grace)) {
    return badRequest('DeleteOptions in version "v1" cannot be handled as a DeleteOptions: '
      + 'gracePeriodSeconds is no whole number');
  }
  const text = (name: string): string => {
    const value = isObject(preconditions) ? preconditions[name] : undefined;
    return typeof value === 'string' ? value : '';
  };
  const propagation = propagationOf(given);
  if (isProblem(propagation)) return propagation;
  return {
    // A negative grace means the shortest there is.
    graceSeconds: typeof grace === 'number' ? (grace < 0 ? 1 : grace) : null, propagation,
    uid: text('uid'), resourceVersion: text('resourceVersion'),
    dryRun: asked.dryRun || (Array.isArray(dryRun) && dryRun.includes('All')),
  };
}

function optionsOfQuery(query: Query): JsonObject | Problem {
  const grace = wholeNumber(query, 'gracePeriodSeconds'), orphan = query.get('orphanDependents') ?? '';
  if (isProblem(grace)) return grace;
  return {
    gracePeriodSeconds: grace, propagationPolicy: query.get('propagationPolicy') ?? '',
    ...orphan === '' ? {} : { orphanDependents: orphan !== 'false' && orphan !== '0' },
  };
}

function optionsOfBody(body: Uint8Array, contentType: string | undefined): JsonObject | Problem {
  const parsed = parseBody(body, contentType);
  if (isProblem(parsed)) return parsed;
  if (!isObject(parsed.value)) return badRequest('the body of a delete is a DeleteOptions object');
  const kind: Json = parsed.value['kind'] ?? 'DeleteOptions';
  return kind === 'DeleteOptions' || kind === '' ? parsed.value
    : badRequest(`${JSON.stringify(kind)} cannot be handled as a DeleteOptions`);
}

function propagationOf({ propagationPolicy, orphanDependents }: JsonObject): Propagation | null | Problem {
  const policy = propagationPolicy ?? '', orphans = orphanDependents ?? null;
  if (policy !== '' && orphans !== null) {
    const message = 'Invalid value: true: orphanDependents and deletionPropagation cannot be both set';
    const subject = { group: 'meta.k8s.io', resource: 'DeleteOptions', kind: 'DeleteOptions' };
    return invalid(subject, '', [{ reason: 'FieldValueInvalid', field: 'propagationPolicy', message }]);
  }
  if (orphans !== null) return orphans === true ? 'Orphan' : 'Background';
  switch (policy) {
    case '': return null;
    case 'Background': case 'Foreground': case 'Orphan': return policy;
    default:
      return unsupportedOption('DeleteOptions', 'propagationPolicy', String(policy),
        ['Background', 'Foreground', 'Orphan']);
  }
}
