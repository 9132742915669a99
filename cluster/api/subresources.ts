// scale, binding and finalize: what hangs on an object and has a form of its own.
// Source: Kubernetes, pkg/registry/apps/deployment/storage (ScaleREST), core/pod/storage (BindingREST),
// core/namespace/storage (FinalizeREST).

import { objectKey } from '../ids.ts';
import { get } from '../state/query.ts';
import { ownersAfter, sentOwners, withOwners } from './apply/owners.ts';
import { applyOptions, isApply } from './apply/request.ts';
import { applyScale, scaledBy } from './apply/scale.ts';
import { admission, mutate, validate } from './admission/chain.ts';
import { isObject, parseBody } from './body.ts';
import type { Json, JsonObject } from './body.ts';
import { conform } from './decode.ts';
import { schemaOf } from './kinds/schema.ts';
import { metadataOf, withGeneration } from './metadata.ts';
import { expectSame, resources } from './objects.ts';
import { objectText, respond } from './output.ts';
import type { ApiResponse, ApiResult } from './request.ts';
import type { Resource } from './resource.ts';
import { ageColumn, count, nameColumn } from './resources/columns.ts';
import { findResource } from './resources/index.ts';
import {
  badRequest, conflict, fromRefusal, invalid, isProblem, methodNotAllowed, notFound, problemResponse,
  staleObject, success,
} from './status.ts';
import type { Problem } from './status.ts';
import { rfc3339 } from './time.ts';
import type { Condition, KubeObject, ObjectMeta, Pod } from './types.ts';
import { patched } from './update.ts';
import { answered, currentObject, decodeAs, objectResponse, updateCommand, writeOptions } from './write.ts';
import type { Writing } from './write.ts';

// ── scale ────────────────────────────────────────────────────────────────────────────────────────────────

const scaleSchema = schemaOf('io.k8s.api.autoscaling.v1.Scale');

type Scale = KubeObject & { readonly spec: { replicas: number }; readonly status: { replicas: number } };

const scaleColumns: Pick<Resource, 'columns'> = {
  columns: [
    nameColumn,
    count('Desired', 'Replicas that are wanted.', (one) => (one as Scale).spec.replicas),
    count('Available', 'Replicas that there are.', (one) => (one as Scale).status.replicas),
    ageColumn,
  ],
};

export function scale(writing: Writing): ApiResult | Problem {
  const { request, route, query } = writing, { resource, name } = route;
  const old = currentObject(writing);
  if (request.method === 'GET' || request.method === 'HEAD') {
    return old === null ? notFound(resource, name) : answered(scaleResponse(writing, old));
  }
  if (isApply(writing)) return scaleByApply(writing, old);
  const asked = writeOptions(query, request.method === 'PUT' ? 'UpdateOptions' : 'PatchOptions');
  if (isProblem(asked)) return asked;
  const found = request.method === 'PUT' ? parseBody(request.body, request.headers['content-type'])
    : patched(writing, old === null ? null : scaleOf(resource, old), scaleSchema);
  if (isProblem(found)) return found;
  const decoded = conform(found, scaleSchema, 'Scale', 'v1');
  if (isProblem(decoded)) return decoded;
  if (old === null) return notFound(resource, name);
  const wanted = replicasOf(decoded.value, name);
  if (isProblem(wanted)) return wanted;
  const known = knownRevision(decoded.value);
  if (known !== '' && known !== old.metadata.resourceVersion) return conflict(resource, name, staleObject);
  const scaled = resource.scale?.withReplicas(old, wanted);
  if (scaled === undefined) return methodNotAllowed();
  const object = scaledBy(writing, old, withGeneration(scaled, old, resource), asked);
  const warnings = scaleWarnings(writing, old, object, asked.dryRun);
  if (isProblem(warnings)) return warnings;
  if (asked.dryRun) return answered(scaleResponse(writing, object, warnings));
  // A patch carries on the revision that it was applied to; only a PUT names one of its own.
  const stated = request.method === 'PUT' && known !== '';
  return updateCommand(writing, old, object, stated, (stored) => scaleResponse(writing, stored, warnings));
}

function scaleByApply(writing: Writing, old: KubeObject | null): ApiResult | Problem {
  const { resource, name } = writing.route, asked = applyOptions(writing);
  if (isProblem(asked)) return asked;
  if (old === null) return notFound(resource, name);
  const found = applyScale(writing, old, scaleOf(resource, old), scaleSchema, asked);
  if (isProblem(found)) return found;
  const late = found.late();
  if (late !== null) return late;
  const wanted = replicasOf({ spec: { replicas: found.replicas } }, name);
  if (isProblem(wanted)) return wanted;
  const known = isObject(found.value) ? knownRevision(found.value) : '';
  if (known !== '' && known !== old.metadata.resourceVersion) return conflict(resource, name, staleObject);
  const scaled = resource.scale?.withReplicas(old, wanted);
  if (scaled === undefined) return methodNotAllowed();
  const object = found.owned(withGeneration(scaled, old, resource));
  const warnings = scaleWarnings(writing, old, object, asked.dryRun);
  if (isProblem(warnings)) return warnings;
  const told = [...found.warnings, ...warnings];
  const show = (one: KubeObject): ApiResponse => scaleResponse(writing, one, told);
  return asked.dryRun ? answered(show(object)) : updateCommand(writing, old, object, known !== '', show);
}

/** Admission sees the Scale, not what is scaled. */
function scaleWarnings(
  writing: Writing, old: KubeObject, object: KubeObject, dryRun: boolean,
): readonly string[] | Problem {
  const { resource } = writing.route;
  const scaleIn = (one: KubeObject): KubeObject => scaleOf(resource, one) as unknown as KubeObject;
  const kind = { group: 'autoscaling', version: 'v1', kind: 'Scale' };
  const write = admission(writing, {
    operation: 'UPDATE', object: scaleIn(object), old: scaleIn(old), dryRun, kind,
  });
  return validate(write) ?? write.warnings;
}

function replicasOf({ spec }: JsonObject, name: string): number | Problem {
  const replicas = isObject(spec) ? spec['replicas'] ?? 0 : 0;
  if (typeof replicas === 'number' && replicas >= 0) return replicas;
  return invalid({ group: 'autoscaling', resource: 'scales', kind: 'Scale' }, name, [{
    reason: 'FieldValueInvalid', field: 'spec.replicas',
    message: `Invalid value: ${JSON.stringify(replicas)}: must be greater than or equal to 0`,
  }]);
}

function knownRevision({ metadata }: JsonObject): string {
  const known = isObject(metadata) ? metadata['resourceVersion'] : '';
  return typeof known === 'string' ? known : '';
}

function scaleOf(resource: Resource, object: KubeObject): Json {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const { scale: table } = resource, place = namespace === undefined ? {} : { namespace };
  return {
    kind: 'Scale', apiVersion: 'autoscaling/v1',
    metadata: { name, ...place, uid, resourceVersion, creationTimestamp },
    spec: { replicas: table?.specReplicas(object) ?? 0 },
    status: { replicas: table?.statusReplicas(object) ?? 0, selector: table?.selector(object) ?? '' },
  };
}

function scaleResponse(
  { route, form, context }: Writing, object: KubeObject, warnings: readonly string[] = [],
): ApiResponse {
  const shown = scaleOf(route.resource, object) as unknown as Scale;
  return respond(200, objectText(shown, scaleColumns, form, context.nowWallMs), form, warnings);
}

// ── binding ──────────────────────────────────────────────────────────────────────────────────────────────

const podSubject = { group: '', resource: 'pods/binding' };

/** POST pods/NAME/binding, or POST bindings with the pod's name in the body. */
export function bind(writing: Writing): ApiResult | Problem {
  const { route, state, query, form } = writing;
  if (route.namespace === '') return methodNotAllowed();
  const asked = writeOptions(query, 'CreateOptions');
  if (isProblem(asked)) return asked;
  const binding = bindingOf(writing);
  if (isProblem(binding)) return binding;
  const { name, node } = binding;
  const key = objectKey(resources.pods, route.namespace, name), pod = get<Pod>(state, key);
  if (pod === null) return notFound({ group: '', resource: 'pods' }, name);
  const wrong = bindingProblem(pod, binding.metadata);
  if (wrong !== null) return wrong;
  const object = bound(pod, node, writing.context.nowWallMs);
  const refused = validate(admission(writing, {
    operation: 'CREATE', object: binding.object, old: null, dryRun: asked.dryRun, name,
    kind: { group: '', version: 'v1', kind: 'Binding' },
  }));
  if (refused !== null) return refused;
  const done = respond(201, JSON.stringify({ ...success({ name, kind: 'pods' }), code: 201 }), form);
  if (asked.dryRun) return answered(done);
  return {
    type: 'command', ops: [{ op: 'update', key, object, expect: expectSame(pod) }],
    pending: {
      render(outcome) {
        if (outcome.ok) return done;
        if (outcome.refusal.reason === 'Conflict') return 'retry';
        return problemResponse(fromRefusal(outcome.refusal, podSubject, name));
      },
    },
  };
}

interface BindingRequest {
  readonly name: string;
  readonly node: string;
  readonly metadata: Partial<ObjectMeta>;
  readonly object: KubeObject;
}

function bindingOf({ request, route }: Writing): BindingRequest | Problem {
  const resource = findResource('', 'v1', 'bindings');
  if (resource === null) return methodNotAllowed();
  const body = parseBody(request.body, request.headers['content-type']);
  if (isProblem(body)) return body;
  const decoded = decodeAs(body, resource);
  if (isProblem(decoded)) return decoded;
  const metadata = metadataOf(decoded.value), given = metadata.name ?? '';
  const name = route.name === '' ? given : route.name;
  if (name === '') return badRequest('metadata.name of the binding names the pod, and is missing');
  if (given !== '' && given !== name) {
    return badRequest(`the name of the object (${given}) does not match the name on the URL (${name})`);
  }
  const causes = resource.validate(decoded.value as unknown as KubeObject, null);
  if (causes.length > 0) return invalid(resource, name, causes);
  const { target } = decoded.value, node = isObject(target) ? target['name'] : '';
  const object = decoded.value as unknown as KubeObject;
  return { name, node: typeof node === 'string' ? node : '', metadata, object };
}

function bindingProblem(pod: Pod, { uid = '', resourceVersion = '' }: Partial<ObjectMeta>): Problem | null {
  const { metadata, spec } = pod, { name } = metadata;
  if (uid !== '' && uid !== metadata.uid) {
    return conflict(podSubject, name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`);
  }
  if (resourceVersion !== '' && resourceVersion !== metadata.resourceVersion) {
    return conflict(podSubject, name, staleObject);
  }
  if (metadata.deletionTimestamp !== undefined) {
    return conflict(podSubject, name, `pod ${name} is being deleted, cannot be assigned to a host`);
  }
  return (spec.nodeName ?? '') === '' ? null
    : conflict(podSubject, name, `pod ${name} is already assigned to node ${JSON.stringify(spec.nodeName)}`);
}

function bound(pod: Pod, node: string, nowWallMs: number): Pod {
  const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'PodScheduled');
  const lastTransitionTime = rfc3339(nowWallMs);
  const scheduled: Condition = { type: 'PodScheduled', status: 'True', lastTransitionTime };
  const status = { ...pod.status, conditions: [...others, scheduled] };
  return { ...pod, spec: { ...pod.spec, nodeName: node }, status };
}

// ── finalize ─────────────────────────────────────────────────────────────────────────────────────────────

/** PUT namespaces/NAME/finalize: the namespace with the spec.finalizers of the body. */
export function finalize(writing: Writing): ApiResult | Problem {
  const { request, route, state, query } = writing, { resource, name } = route;
  const asked = writeOptions(query, 'UpdateOptions');
  if (isProblem(asked)) return asked;
  const body = parseBody(request.body, request.headers['content-type']);
  if (isProblem(body)) return body;
  const decoded = decodeAs(body, resource);
  if (isProblem(decoded)) return decoded;
  const old = get(state, objectKey(route.resourceName, '', name));
  if (old === null) return notFound(resource, name);
  const known = metadataOf(decoded.value).resourceVersion ?? '';
  if (known !== '' && known !== old.metadata.resourceVersion) return conflict(resource, name, staleObject);
  const { spec } = decoded.value, { spec: oldSpec, ...rest } = old as KubeObject & { spec?: object };
  const finalizers = isObject(spec) ? spec['finalizers'] ?? [] : [];
  const changed = { ...rest, spec: { ...oldSpec, finalizers } } as KubeObject;
  const owning = { by: 'change', asked, sent: sentOwners(body.value) } as const;
  const admitted = mutate(admission(writing, {
    operation: 'UPDATE', object: withOwners(changed, old, ownersAfter(writing, old, changed, owning)), old,
    dryRun: asked.dryRun,
  }));
  if (isProblem(admitted)) return admitted;
  const { object, write } = admitted, causes = resource.validate(object, old);
  if (causes.length > 0) return invalid(resource, name, causes);
  const refused = validate(write);
  if (refused !== null) return refused;
  const show = (one: KubeObject): ApiResponse => objectResponse(writing, one, 200, write.warnings);
  return asked.dryRun ? answered(show(object)) : updateCommand(writing, old, object, known !== '', show);
}
