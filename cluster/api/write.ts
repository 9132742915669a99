// create, update and patch: from a request's body to one operation on the state.
//
// What always holds: an update carries the revision of the object it was computed from, so that a lost race is seen
// in `apply`; a client that named no revision is then served again from the newer object.

import { objectKey } from '../ids.ts';
import { expectSame, newborn } from './objects.ts';
import { get } from '../state/query.ts';
import type { State } from '../state/state.ts';
import type { Op, Outcome } from '../state/types.ts';
import { conform, parseBody } from './decode.ts';
import type { FieldValidation, Json, JsonObject, ParsedBody } from './decode.ts';
import { clientMetadata, generatedName, updatedMetadata, validateMetadata, withGeneration } from './metadata.ts';
import { apiVersionOf, objectText, respond } from './output.ts';
import type { Form } from './output.ts';
import { isPatchRefusal, jsonPatch } from './patch/json.ts';
import { mergePatch } from './patch/merge.ts';
import { strategicPatch } from './patch/strategic.ts';
import type { Query } from './query.ts';
import type { ApiContext, ApiRequest, ApiResponse, ApiResult } from './request.ts';
import type { Resource } from './resource.ts';
import type { ResourceRoute } from './route.ts';
import {
  badRequest, conflict, fromRefusal, invalid, isProblem, notFound, problem, problemResponse, staleObject, unsupportedMediaType,
} from './status.ts';
import type { Problem } from './status.ts';
import type { KubeObject, ObjectMeta } from './types.ts';

export interface Writing {
  readonly request: ApiRequest;
  readonly route: ResourceRoute;
  readonly query: Query;
  readonly form: Form;
  readonly state: State;
  readonly context: ApiContext;
}

// ── create ───────────────────────────────────────────────────────────────────────────────────────────────

export function createObject(writing: Writing): ApiResult | Problem {
  const { request, route, query, context } = writing, { resource } = route;
  const body = parseBody(request.body, request.headers['content-type'] ?? '');
  if (isProblem(body)) return body;
  const decoded = decodeAs(body, resource, query);
  if (isProblem(decoded)) return decoded;
  const given = ((decoded.value['metadata'] ?? {}) as JsonObject) as unknown as Partial<ObjectMeta>;
  if ((given.resourceVersion ?? '') !== '') return badRequest('resourceVersion should not be set on objects to be created');
  const namespace = namespaceOf(given.namespace ?? '', route);
  if (isProblem(namespace)) return namespace;
  const metadata = clientMetadata(given);
  const name = metadata.name ?? (metadata.generateName === undefined ? '' : generatedName(metadata.generateName, context.suffix()));
  if (name === '') {
    return invalid(resource, '', [{ reason: 'FieldValueRequired', field: 'metadata.name', message: 'Required value: name or generateName is required' }]);
  }
  const placed = { ...metadata, name, ...namespace === '' ? {} : { namespace } };
  const raw = { ...decoded.value, metadata: placed } as unknown as KubeObject;
  const born = newborn(resource.prepareCreate(resource.defaults(raw)), { uid: context.uid(), nowWallMs: context.nowWallMs });
  const object = resource.hasGeneration ? born : withoutGeneration(born);
  const causes = [...validateMetadata(object, null, resource), ...resource.validate(object, null)];
  if (causes.length > 0) return invalid(resource, name, causes);
  const key = objectKey(route.resourceName, namespace, name);
  const op: Op = { op: 'create', key, object };
  if (isDryRun(query)) {
    if (get(writing.state, key) !== null) return problem(409, 'AlreadyExists', `${nameFor(resource)} "${name}" already exists`);
    return response(object, 201, writing, decoded.warnings);
  }
  return {
    type: 'command', ops: [op],
    pending: {
      render(outcome) {
        if (outcome.ok) return rendered(outcome, 201, writing, decoded.warnings);
        // A generated name that was taken is drawn again.
        if (metadata.name === undefined && outcome.refusal.reason === 'AlreadyExists') return 'retry';
        return problemResponse(fromRefusal(outcome.refusal, resource, name));
      },
    },
  };
}

function withoutGeneration(object: KubeObject): KubeObject {
  const { generation: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

const nameFor = ({ group, resource }: Resource): string => group === '' ? resource : `${resource}.${group}`;

/** The namespace of the path, which the object may repeat but not contradict. */
function namespaceOf(given: string, route: ResourceRoute): string | Problem {
  if (!route.resource.namespaced) {
    return given === '' ? '' : badRequest('namespace may not be set on a cluster-scoped object');
  }
  if (route.namespace === '') return badRequest('an empty namespace may not be set during creation');
  return given === '' || given === route.namespace ? route.namespace
    : badRequest(`the namespace of the provided object does not match the namespace sent on the request`);
}

export function decodeAs(body: ParsedBody, resource: Resource, query: Query): { value: JsonObject; warnings: readonly string[] } | Problem {
  const wanted = apiVersionOf(resource);
  const { apiVersion, kind } = (typeof body.value === 'object' && body.value !== null ? body.value : {}) as { apiVersion?: Json; kind?: Json };
  if (kind !== undefined && kind !== '' && kind !== resource.kind) {
    return badRequest(`the kind of the object (${String(kind)}) does not match the kind of the path (${resource.kind})`);
  }
  if (apiVersion !== undefined && apiVersion !== '' && apiVersion !== wanted) {
    return badRequest(`the API version in the data (${String(apiVersion)}) does not match the expected API version (${wanted})`);
  }
  const validation = query.get('fieldValidation') ?? 'Warn';
  if (validation !== 'Strict' && validation !== 'Warn' && validation !== 'Ignore' && validation !== '') {
    return badRequest(`fieldValidation: Unsupported value: "${validation}": supported values: "Ignore", "Strict", "Warn"`);
  }
  const decoded = conform(body, resource.schema, resource.kind, resource.version, (validation === '' ? 'Warn' : validation) as FieldValidation);
  if (isProblem(decoded)) return decoded;
  const { apiVersion: _v, kind: _k, metadata, ...rest } = decoded.value;
  const meta = typeof metadata === 'object' && metadata !== null ? metadata : {};
  return { value: { apiVersion: wanted, kind: resource.kind, metadata: meta, ...rest }, warnings: decoded.warnings };
}

export function isDryRun(query: Query): boolean { return query.get('dryRun') === 'All'; }

// ── update and patch ─────────────────────────────────────────────────────────────────────────────────────

export function updateObject(writing: Writing): ApiResult | Problem {
  const { request, route, query } = writing, { resource } = route;
  const body = parseBody(request.body, request.headers['content-type'] ?? '');
  if (isProblem(body)) return body;
  const decoded = decodeAs(body, resource, query);
  if (isProblem(decoded)) return decoded;
  return replace(writing, decoded.value, decoded.warnings);
}

const patchTypes = 'application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json';

export function patchObject(writing: Writing): ApiResult | Problem {
  const { request, route, query, state } = writing, { resource } = route;
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '';
  if (!patchTypes.split(', ').includes(type)) return unsupportedMediaType(patchTypes);
  const body = parseBody(request.body, 'application/json');
  if (isProblem(body)) return body;
  const old = get(state, objectKey(route.resourceName, route.namespace, route.name));
  if (old === null) return notFound(resource, route.name);
  const patched = applyPatch(type, old as unknown as Json, body.value, resource);
  if (isPatchRefusal(patched)) {
    return patched.code === 400 ? badRequest(patched.refused)
      : problem(422, 'Invalid', `the server rejected our request due to an error in our request: ${patched.refused}`);
  }
  const decoded = decodeAs({ value: patched, duplicates: body.duplicates }, resource, query);
  if (isProblem(decoded)) return decoded;
  return replace(writing, decoded.value, decoded.warnings, body.value);
}

export function applyPatch(type: string, target: Json, patch: Json, resource: Pick<Resource, 'schema'>): Json | ReturnType<typeof jsonPatch> {
  if (type === 'application/json-patch+json') return jsonPatch(target, patch);
  if (type === 'application/strategic-merge-patch+json') return strategicPatch(target, patch, resource.schema);
  return typeof patch === 'object' && patch !== null && !Array.isArray(patch) ? mergePatch(target, patch)
    : { refused: 'a merge patch is an object', code: 400 };
}

/** Puts `value` in the place of the stored object, or of its status. `patch`: what a patch said itself. */
function replace(writing: Writing, value: JsonObject, warnings: readonly string[], patch?: Json): ApiResult | Problem {
  const { route, state, query } = writing, { resource } = route;
  const key = objectKey(route.resourceName, route.namespace, route.name);
  const given = (value['metadata'] ?? {}) as unknown as Partial<ObjectMeta>;
  if ((given.name ?? '') !== '' && given.name !== route.name) {
    return badRequest(`the name of the object (${given.name}) does not match the name on the URL (${route.name})`);
  }
  const namespace = namespaceOf(given.namespace ?? '', route);
  if (isProblem(namespace)) return namespace;
  const old = get(state, key);
  if (old === null) return notFound(resource, route.name);
  const stated = statedRevision(given, patch);
  if (stated !== '' && stated !== old.metadata.resourceVersion) return conflict(resource, route.name, staleObject);
  if ((given.uid ?? '') !== '' && given.uid !== old.metadata.uid) {
    return conflict(resource, route.name, `Precondition failed: UID in precondition: ${given.uid}, UID in object meta: ${old.metadata.uid}`);
  }
  const candidate = { ...value, metadata: updatedMetadata(given, old.metadata) } as unknown as KubeObject;
  const filled = resource.defaults(candidate);
  const prepared = route.subresource === 'status' ? resource.prepareStatus(filled, old)
    : withGeneration(resource.prepareUpdate(filled, old), old, resource);
  const causes = [...validateMetadata(prepared, old, resource), ...resource.validate(prepared, old)];
  if (causes.length > 0) return invalid(resource, route.name, causes);
  if (isDryRun(query)) return response(prepared, 200, writing, warnings);
  return commandFor(writing, old, prepared, stated !== '', warnings);
}

/** The revision that the client named itself; a patch that doesn't mention it has named none. */
function statedRevision(given: Partial<ObjectMeta>, patch: Json | undefined): string {
  if (patch === undefined) return given.resourceVersion ?? '';
  if (Array.isArray(patch)) return '';
  const { metadata } = patch as { metadata?: { resourceVersion?: Json } | null };
  return typeof metadata?.resourceVersion === 'string' ? metadata.resourceVersion : '';
}

export function commandFor(
  writing: Writing, old: KubeObject, object: KubeObject, stated: boolean, warnings: readonly string[],
  show: (stored: KubeObject) => ApiResponse = (stored) => responseOf(stored, 200, writing, warnings),
): ApiResult {
  const { resource, resourceName, namespace, name } = writing.route;
  const op: Op = { op: 'update', key: objectKey(resourceName, namespace, name), object, expect: expectSame(old) };
  return {
    type: 'command', ops: [op],
    pending: {
      render(outcome) {
        if (outcome.ok) return show(outcome.objects[0] as KubeObject);
        if (outcome.refusal.reason === 'Conflict' && !stated) return 'retry';
        return problemResponse(fromRefusal(outcome.refusal, resource, name));
      },
    },
  };
}

function rendered(outcome: Extract<Outcome, { ok: true }>, status: number, writing: Writing, warnings: readonly string[]): ApiResponse {
  return responseOf(outcome.objects[0] as KubeObject, status, writing, warnings);
}

function responseOf(object: KubeObject, status: number, { route, form, context }: Writing, warnings: readonly string[]): ApiResponse {
  return respond(status, objectText(object, route.resource, form, context.nowWallMs), form.encoding, warnings);
}

function response(object: KubeObject, status: number, writing: Writing, warnings: readonly string[]): ApiResult {
  return { type: 'response', response: responseOf(object, status, writing, warnings) };
}
