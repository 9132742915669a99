// delete and deletecollection: grace, preconditions, propagation, finalizers.
//
// What always holds: what a finalizer or a grace period holds back is only marked, and goes when the last of them is
// done; deleting again what is on its way out can only shorten its grace.
// Source: apiserver registry/rest BeforeDelete, registry/generic/registry/store.go.

import { objectKey, revision, uid } from '../ids.ts';
import { get, list } from '../state/query.ts';
import type { Expectation, Op } from '../state/types.ts';
import { parseBody } from './decode.ts';
import { withGeneration } from './metadata.ts';
import { objectText, respond, respondStatus } from './output.ts';
import { wholeNumber } from './query.ts';
import { filterOf } from './read.ts';
import type { ApiResult } from './request.ts';
import { badRequest, conflict, fromRefusal, isProblem, notFound, problemResponse, success } from './status.ts';
import type { Problem } from './status.ts';
import { rfc3339 } from './time.ts';
import type { KubeObject, Namespace } from './types.ts';
import { isDryRun } from './write.ts';
import type { Writing } from './write.ts';

interface DeleteOptions {
  readonly gracePeriodSeconds: number | null;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly propagation: 'Background' | 'Foreground' | 'Orphan' | '';
  readonly dryRun: boolean;
}

export function deleteObject(writing: Writing): ApiResult | Problem {
  const { route, state } = writing, options = optionsOf(writing);
  if (isProblem(options)) return options;
  const old = get(state, objectKey(route.resourceName, route.namespace, route.name));
  if (old === null) return notFound(route.resource, route.name);
  if (options.uid !== '' && options.uid !== old.metadata.uid) {
    return conflict(route.resource, route.name,
      `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${old.metadata.uid}`);
  }
  if (options.resourceVersion !== '' && options.resourceVersion !== old.metadata.resourceVersion) {
    return conflict(route.resource, route.name, 'Precondition failed: ResourceVersion in precondition: '
      + `${options.resourceVersion}, ResourceVersion in object meta: ${old.metadata.resourceVersion}`);
  }
  const op = deletionOf(writing, old, options);
  if (op === null || options.dryRun) return answer(writing, old, op === null || op.op === 'update');
  return {
    type: 'command', ops: [op],
    pending: {
      render(outcome) {
        if (outcome.ok) {
          const result = answer(writing, outcome.objects[0] as KubeObject, op.op === 'update');
          return result.response;
        }
        if (outcome.refusal.reason === 'Conflict' && options.resourceVersion === '') return 'retry';
        return problemResponse(fromRefusal(outcome.refusal, route.resource, route.name));
      },
    },
  };
}

/** The object where it stays for now, as Kubernetes does; else a Status that says it is gone. */
function answer({ route, form, context }: Writing, object: KubeObject, stays: boolean): Extract<ApiResult, { type: 'response' }> {
  if (stays) return { type: 'response', response: respond(200, objectText(object, route.resource, form, context.nowWallMs), form.encoding) };
  const { group, resource } = route.resource;
  const details = { name: object.metadata.name, ...group === '' ? {} : { group }, kind: resource, uid: object.metadata.uid };
  return { type: 'response', response: respondStatus(success(details), 200, form.encoding) };
}

export function deleteCollection(writing: Writing): ApiResult | Problem {
  const { route, state, query, form } = writing, options = optionsOf(writing);
  if (isProblem(options)) return options;
  const filter = filterOf(query, route.resource);
  if (isProblem(filter)) return filter;
  const matching = list(state, route.resourceName, route.namespace).filter(filter);
  const ops = matching.map((object) => deletionOf(writing, object, options)).filter((op) => op !== null);
  const done = respondStatus(success({ kind: route.resource.resource }), 200, form.encoding);
  if (ops.length === 0 || options.dryRun) return { type: 'response', response: done };
  return {
    type: 'command', ops,
    pending: {
      render: (outcome) => outcome.ok ? done
        // One of them changed or went meanwhile: look again at what is left.
        : outcome.refusal.reason === 'Conflict' || outcome.refusal.reason === 'NotFound' ? 'retry'
          : problemResponse(fromRefusal(outcome.refusal, route.resource, '')),
    },
  };
}

/** The operation that deletes the object or marks it; null where it is marked as it should be already. */
function deletionOf({ route, context }: Writing, old: KubeObject, options: DeleteOptions): Op | null {
  const { resource } = route, { metadata } = old;
  const key = objectKey(route.resourceName, metadata.namespace ?? '', metadata.name);
  const natural = resource.graceSeconds?.(old) ?? 0;
  const grace = natural === 0 ? 0 : options.gracePeriodSeconds ?? natural;
  const known = metadata.finalizers ?? [], finalizers = finalizersAfter(known, options.propagation);
  const expect: Expectation = { revision: revision(Number(metadata.resourceVersion)), uid: uid(metadata.uid) };
  const held = finalizers.length > 0 || ((old as Namespace).kind === 'Namespace' && ((old as Namespace).spec?.finalizers?.length ?? 0) > 0);
  if (!held && grace === 0) return { op: 'delete', key, expect };
  const before = metadata.deletionGracePeriodSeconds ?? 0, pending = metadata.deletionTimestamp !== undefined;
  if (pending && (grace >= before) && finalizers.length === known.length) return null;
  const { finalizers: _, ...rest } = metadata;
  const marked: KubeObject = {
    ...old,
    metadata: {
      ...rest, ...finalizers.length === 0 ? {} : { finalizers },
      deletionTimestamp: pending && grace >= before ? metadata.deletionTimestamp ?? '' : rfc3339(context.nowWallMs + grace * 1000),
      deletionGracePeriodSeconds: pending ? Math.min(grace, before) : grace,
    },
  };
  return { op: 'update', key, expect, object: terminating(withGeneration(marked, old, resource)) };
}

/** A namespace says that it goes. */
function terminating(object: KubeObject): KubeObject {
  if (object.kind !== 'Namespace') return object;
  const { status } = object as Namespace;
  return { ...object, status: { ...status, phase: 'Terminating' } } as Namespace;
}

function finalizersAfter(known: readonly string[], propagation: DeleteOptions['propagation']): readonly string[] {
  if (propagation === '') return known;
  const kept = known.filter((each) => each !== 'foregroundDeletion' && each !== 'orphan');
  if (propagation === 'Foreground') return [...kept, 'foregroundDeletion'];
  return propagation === 'Orphan' ? [...kept, 'orphan'] : kept;
}

/** From the query, then from the body, which wins. */
function optionsOf({ request, query }: Writing): DeleteOptions | Problem {
  const grace = wholeNumber(query, 'gracePeriodSeconds');
  if (isProblem(grace)) return grace;
  let body: Record<string, unknown> = {};
  if (request.body !== null && request.body.length > 0) {
    const parsed = parseBody(request.body, request.headers['content-type'] ?? '');
    if (isProblem(parsed)) return parsed;
    if (typeof parsed.value !== 'object' || parsed.value === null || Array.isArray(parsed.value)) {
      return badRequest('the body of a delete is a DeleteOptions object');
    }
    body = parsed.value as Record<string, unknown>;
  }
  const seconds = body['gracePeriodSeconds'] ?? grace;
  if (seconds !== null && !Number.isSafeInteger(seconds)) return badRequest('gracePeriodSeconds is a whole number');
  const preconditions = (typeof body['preconditions'] === 'object' && body['preconditions'] !== null ? body['preconditions'] : {}) as Record<string, unknown>;
  const propagation = propagationOf(body, query.get('propagationPolicy') ?? '', query.get('orphanDependents') ?? '');
  if (propagation === null) {
    return badRequest(`propagationPolicy: Unsupported value: "${String(body['propagationPolicy'] ?? query.get('propagationPolicy'))}": `
      + 'supported values: "Background", "Foreground", "Orphan"');
  }
  const dryRun = body['dryRun'];
  return {
    gracePeriodSeconds: seconds === null ? null : Math.max(0, seconds as number), propagation,
    uid: typeof preconditions['uid'] === 'string' ? preconditions['uid'] : '',
    resourceVersion: typeof preconditions['resourceVersion'] === 'string' ? preconditions['resourceVersion'] : '',
    dryRun: isDryRun(query) || (Array.isArray(dryRun) && dryRun.includes('All')),
  };
}

function propagationOf(body: Record<string, unknown>, policy: string, orphan: string): DeleteOptions['propagation'] | null {
  const given = typeof body['propagationPolicy'] === 'string' ? body['propagationPolicy'] : policy;
  if (given === 'Background' || given === 'Foreground' || given === 'Orphan') return given;
  if (given !== '') return null;
  const orphans = body['orphanDependents'] ?? (orphan === '' ? undefined : orphan === 'true');
  return orphans === undefined ? '' : orphans === true ? 'Orphan' : 'Background';
}
