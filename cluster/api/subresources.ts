// scale, binding, finalize and log: what hangs on an object and has a form of its own.

import { nodeName, objectKey } from '../ids.ts';
import { expectSame, resources } from './objects.ts';
import { get } from '../state/query.ts';
import type { Op } from '../state/types.ts';
import { parseBody } from './decode.ts';
import type { Json, JsonObject } from './decode.ts';
import { withGeneration } from './metadata.ts';
import { respond, respondStatus } from './output.ts';
import { isPatchRefusal } from './patch/json.ts';
import { flag, wholeNumber } from './query.ts';
import type { ApiResponse, ApiResult, LogsRequest } from './request.ts';
import {
  badRequest, conflict, fromRefusal, invalid, isProblem, methodNotAllowed, notFound, problemResponse, staleObject,
} from './status.ts';
import type { Problem } from './status.ts';
import { rfc3339 } from './time.ts';
import type { KubeObject, Pod } from './types.ts';
import { applyPatch, commandFor, isDryRun } from './write.ts';
import type { Writing } from './write.ts';

// ── scale ────────────────────────────────────────────────────────────────────────────────────────────────

export function scale(writing: Writing): ApiResult | Problem {
  const { request, route, state } = writing, old = get(state, objectKey(route.resourceName, route.namespace, route.name));
  if (old === null) return notFound(route.resource, route.name);
  if (request.method === 'GET') return { type: 'response', response: scaleResponse(writing, old) };
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '';
  const body = parseBody(request.body, request.method === 'PATCH' ? 'application/json' : type);
  if (isProblem(body)) return body;
  const wanted = request.method === 'PUT' ? body.value
    : applyPatch(type, scaleOf(writing, old), body.value, { schema: { type: 'any' } });
  if (isPatchRefusal(wanted)) return badRequest(wanted.refused);
  return rescale(writing, old, wanted);
}

function rescale(writing: Writing, old: KubeObject, wanted: Json): ApiResult | Problem {
  const { route } = writing, { resource } = route;
  const { spec, metadata } = (typeof wanted === 'object' && wanted !== null ? wanted : {}) as { spec?: JsonObject; metadata?: JsonObject };
  const replicas = spec?.['replicas'] ?? 0;
  if (typeof replicas !== 'number' || !Number.isInteger(replicas)) return badRequest('spec.replicas is a whole number');
  if (replicas < 0) {
    return invalid({ group: 'autoscaling', resource: 'scales', kind: 'Scale' }, route.name, [{
      reason: 'FieldValueInvalid', field: 'spec.replicas', message: `Invalid value: ${replicas}: must be greater than or equal to 0`,
    }]);
  }
  const stated = writing.request.method === 'PUT' && typeof metadata?.['resourceVersion'] === 'string' ? metadata['resourceVersion'] : '';
  if (stated !== '' && stated !== old.metadata.resourceVersion) return conflict(resource, route.name, staleObject);
  const scaled = resource.scale?.withReplicas(old, replicas);
  if (scaled === undefined) return methodNotAllowed();
  const object = withGeneration(scaled, old, resource);
  if (isDryRun(writing.query)) return { type: 'response', response: scaleResponse(writing, object) };
  return commandFor(writing, old, object, stated !== '', [], (stored) => scaleResponse(writing, stored));
}

function scaleOf({ route }: Writing, object: KubeObject): Json {
  const { scale: table } = route.resource, { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  return {
    kind: 'Scale', apiVersion: 'autoscaling/v1',
    metadata: { name, ...namespace === undefined ? {} : { namespace }, uid, resourceVersion, creationTimestamp },
    spec: { replicas: table?.specReplicas(object) ?? 0 },
    status: { replicas: table?.statusReplicas(object) ?? 0, selector: table?.selector(object) ?? '' },
  };
}

function scaleResponse(writing: Writing, object: KubeObject): ApiResponse {
  return respond(200, JSON.stringify(scaleOf(writing, object)), writing.form.encoding);
}

// ── binding ──────────────────────────────────────────────────────────────────────────────────────────────

/** POST pods/NAME/binding, or POST bindings with the pod's name in the body. */
export function bind(writing: Writing): ApiResult | Problem {
  const { request, route, state, context } = writing;
  const body = parseBody(request.body, request.headers['content-type'] ?? '');
  if (isProblem(body)) return body;
  const { metadata, target } = (typeof body.value === 'object' && body.value !== null ? body.value : {}) as { metadata?: JsonObject; target?: JsonObject };
  const name = route.name === '' ? metadata?.['name'] : route.name, node = target?.['name'];
  const subject = { group: '', resource: 'pods', kind: 'Binding' };
  if (typeof name !== 'string' || name === '') return badRequest('metadata.name of the binding names the pod');
  if (typeof node !== 'string' || node === '') {
    return invalid(subject, name, [{ reason: 'FieldValueRequired', field: 'target.name', message: 'Required value' }]);
  }
  const key = objectKey(resources.pods, route.namespace, name), pod = get<Pod>(state, key);
  if (pod === null) return notFound({ group: '', resource: 'pods' }, name);
  if ((pod.spec.nodeName ?? '') !== '') return conflict({ group: '', resource: 'pods/binding' }, name, `pod ${name} is already assigned to node "${pod.spec.nodeName}"`);
  if (pod.metadata.deletionTimestamp !== undefined) {
    return conflict({ group: '', resource: 'pods/binding' }, name, `pod ${name} is being deleted, cannot be assigned to a host`);
  }
  const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'PodScheduled');
  const bound: Pod = {
    ...pod, spec: { ...pod.spec, nodeName: node },
    status: { ...pod.status, conditions: [...others, { type: 'PodScheduled', status: 'True', lastTransitionTime: rfc3339(context.nowWallMs) }] },
  };
  const op: Op = { op: 'update', key, object: bound, expect: expectSame(pod) };
  return {
    type: 'command', ops: [op],
    pending: {
      render: (outcome) => outcome.ok
        ? respondStatus({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 }, 201, writing.form.encoding)
        : outcome.refusal.reason === 'Conflict' ? 'retry' : problemResponse(fromRefusal(outcome.refusal, subject, name)),
    },
  };
}

// ── finalize ─────────────────────────────────────────────────────────────────────────────────────────────

/** PUT namespaces/NAME/finalize: the namespace with the spec.finalizers of the body. */
export function finalize(writing: Writing): ApiResult | Problem {
  const { request, route, state } = writing, old = get(state, objectKey(route.resourceName, '', route.name));
  if (old === null) return notFound(route.resource, route.name);
  const body = parseBody(request.body, request.headers['content-type'] ?? '');
  if (isProblem(body)) return body;
  const { spec } = (typeof body.value === 'object' && body.value !== null ? body.value : {}) as { spec?: { finalizers?: Json } };
  const finalizers = spec?.finalizers ?? [];
  if (!Array.isArray(finalizers) || finalizers.some((each) => typeof each !== 'string')) return badRequest('spec.finalizers is a list of names');
  const object = { ...old, spec: { ...(old as { spec?: object }).spec, finalizers } } as KubeObject;
  return commandFor(writing, old, object, false, []);
}

// ── log ──────────────────────────────────────────────────────────────────────────────────────────────────

export function logs({ route, state, query }: Writing): ApiResult | Problem {
  const key = objectKey(route.resourceName, route.namespace, route.name), pod = get<Pod>(state, key);
  if (pod === null) return notFound(route.resource, route.name);
  const container = containerFor(pod, query.get('container') ?? '');
  if (isProblem(container)) return container;
  const numbers = ['tailLines', 'sinceSeconds', 'limitBytes'].map((name) => wholeNumber(query, name));
  const wrong = numbers.find(isProblem);
  if (wrong !== undefined) return wrong;
  const [tailLines = null, sinceSeconds = null, limitBytes = null] = numbers as (number | null)[];
  if ((pod.spec.nodeName ?? '') === '') return badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
  const previous = flag(query, 'previous'), waiting = waitingReason(pod, container);
  if (!previous && waiting !== null) {
    return badRequest(`container "${container}" in pod "${pod.metadata.name}" is waiting to start: ${waiting}`);
  }
  const logsRequest: LogsRequest = {
    pod: key, podUid: pod.metadata.uid, node: nodeName(pod.spec.nodeName ?? ''), container,
    follow: flag(query, 'follow'), previous, timestamps: flag(query, 'timestamps'), tailLines, sinceSeconds, limitBytes,
  };
  return { type: 'logs', logs: logsRequest };
}

function containerFor(pod: Pod, wanted: string): string | Problem {
  const { containers, initContainers = [] } = pod.spec, names = containers.map(({ name }) => name);
  const first = pod.metadata.annotations?.['kubectl.kubernetes.io/default-container'];
  if (wanted === '') {
    if (names.length === 1) return names[0] ?? '';
    if (first !== undefined && names.includes(first)) return first;
    const inits = initContainers.length === 0 ? '' : ` or one of the init containers: [${initContainers.map(({ name }) => name).join(' ')}]`;
    return badRequest(`a container name must be specified for pod ${pod.metadata.name}, choose one of: [${names.join(' ')}]${inits}`);
  }
  if ([...containers, ...initContainers].some(({ name }) => name === wanted)) return wanted;
  return badRequest(`container ${wanted} is not valid for pod ${pod.metadata.name}`);
}

/** Why there is no log yet; null where the container ran or runs. */
function waitingReason(pod: Pod, container: string): string | null {
  const all = [...pod.status?.containerStatuses ?? [], ...pod.status?.initContainerStatuses ?? []];
  const status = all.find(({ name }) => name === container);
  if (status === undefined) return 'ContainerCreating';
  if (status.state?.waiting === undefined || status.lastState?.terminated !== undefined) return null;
  const { reason, message } = status.state.waiting;
  return reason === 'ContainerCreating' || reason === 'PodInitializing' || message === undefined ? reason
    : `${reason}: ${message}`.includes('trying and failing') ? 'trying and failing to pull image' : reason;
}
