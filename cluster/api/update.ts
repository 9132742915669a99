// update and patch, of objects and of their status.
// Source: apiserver registry/rest (BeforeUpdate), endpoints/handlers/patch.go and update.go.

import { objectKey } from '../ids.ts';
import { quotaRefusal } from '../state/quota.ts';
import { escalation } from './access/escalate.ts';
import { signerProblem } from './access/signers.ts';
import { admission, mutate, validate } from './admission/chain.ts';
import { keepingTimes, ownedBy, ownersAfter, sentOwners } from './apply/owners.ts';
import type { Owning } from './apply/owners.ts';
import { isObject, isTooDeep, mediaType, parseBody } from './body.ts';
import type { Json, JsonObject } from './body.ts';
import { metadataOf, updatedMetadata, validateMetadata, withGeneration } from './metadata.ts';
import { isPatchRefusal, jsonPatch, refuse } from './patch/json.ts';
import type { PatchRefusal } from './patch/json.ts';
import { mergePatch } from './patch/merge.ts';
import { strategicPatch } from './patch/strategic.ts';
import type { ApiResult } from './request.ts';
import type { Resource, Schema } from './resource.ts';
import { storedForm } from './storage.ts';
import {
  badRequest, conflict, fromRefusal, invalid, isProblem, notFound, problem, staleObject, unsupportedMediaType,
  withWarnings,
} from './status.ts';
import type { Problem } from './status.ts';
import type { KubeObject, ObjectMeta, StatusCause } from './types.ts';
import {
  answered, currentObject, decodeAs, decodeStrictly, objectResponse, sizeProblem, strictMessage,
  updateCommand, warningsOf, writeOptions,
} from './write.ts';
import type { WriteOptions, Writing } from './write.ts';

export function updateObject(writing: Writing): ApiResult | Problem {
  const { request, route, query } = writing, { resource } = route;
  const asked = writeOptions(query, 'UpdateOptions');
  if (isProblem(asked)) return asked;
  const body = parseBody(request.body, request.headers['content-type']);
  if (isProblem(body)) return body;
  const decoded = decodeStrictly(body, resource, asked);
  if (isProblem(decoded)) return decoded;
  const given = metadataOf(decoded.value), wrong = placeProblem(given, writing);
  if (wrong !== null) return wrong;
  const old = currentObject(writing);
  if (old === null) return notFound(resource, route.name);
  const stated = given.resourceVersion ?? '';
  const owning = { by: 'change', asked, sent: sentOwners(body.value) } as const;
  const warnings = warningsOf(decoded.complaints, asked);
  const replaced = replaceObject(writing, old, decoded.value, stated !== '', asked, warnings, owning);
  return withWarnings(replaced, warnings);
}

/** Why the object is not the one that the path names; null where it is. */
function placeProblem(given: Partial<ObjectMeta>, { route }: Writing): Problem | null {
  const { name = '', namespace = '' } = given;
  if (name === '') {
    return badRequest(`the name of the object (${route.name} based on URL) was undeterminable: `
      + 'name must be provided');
  }
  if (name !== route.name) {
    return badRequest(`the name of the object (${name}) does not match the name on the URL (${route.name})`);
  }
  return namespace === '' || namespace === route.namespace ? null
    : badRequest(`the namespace of the object (${namespace}) does not match the namespace on the URL `
      + `(${route.namespace})`);
}

export const patchTypes: readonly string[] = [
  'application/json-patch+json', 'application/merge-patch+json', 'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];

/** The patched value, or why there is none. `target`: what a client sees there; null: nothing. */
export function patched(writing: Writing, target: Json, schema: Schema): Patched | Problem {
  const { request, route, query } = writing;
  const type = mediaType(request.headers['content-type']);
  // How the lists of a custom kind merge is known to server-side apply only.
  const offered = route.resource.custom !== true ? patchTypes
    : patchTypes.filter((one) => one !== 'application/strategic-merge-patch+json');
  if (!offered.includes(type)) return unsupportedMediaType(offered.join(', '));
  const body = parseBody(request.body, 'application/json');
  if (isProblem(body)) return body;
  if (query.has('force')) return unsupportedForce();
  if (target === null) return notFound(route.resource, route.name);
  const value = applyPatch(type, target, body.value, schema);
  if (isPatchRefusal(value)) return patchProblem(value);
  if (isTooDeep(value)) return badRequest('the patched object is nested too deep');
  return { value, patch: body.value, duplicates: body.duplicates };
}

interface Patched { readonly value: Json; readonly patch: Json; readonly duplicates: readonly string[] }

function applyPatch(type: string, target: Json, patch: Json, schema: Schema): Json | PatchRefusal {
  if (type === 'application/json-patch+json') return jsonPatch(target, patch);
  if (type === 'application/strategic-merge-patch+json') return strategicPatch(target, patch, schema);
  return isObject(patch) ? mergePatch(target, patch) : refuse('a merge patch is an object', 400);
}

function patchProblem({ refused, code }: PatchRefusal): Problem {
  switch (code) {
    case 400: return badRequest(refused);
    case 413: return problem(413, 'RequestEntityTooLarge', refused);
    case 422:
      return problem(422, 'Invalid',
        `the server rejected our request due to an error in our request: ${refused}`);
  }
}

export function patchObject(writing: Writing): ApiResult | Problem {
  const { route, query } = writing, { resource } = route;
  const asked = writeOptions(query, 'PatchOptions');
  if (isProblem(asked)) return asked;
  const old = currentObject(writing);
  const found = patched(writing, old as unknown as Json, resource.schema);
  if (isProblem(found)) return found;
  if (old === null) return notFound(resource, route.name);
  const decoded = decodeAs({ value: found.value, duplicates: found.duplicates }, resource);
  if (isProblem(decoded)) return decoded;
  if (asked.validation === 'Strict' && decoded.complaints.length > 0) {
    const shown = JSON.stringify(JSON.stringify(found.patch));
    return invalid({ group: '', resource: '', kind: '' }, '', [{
      reason: 'FieldValueInvalid', field: 'patch',
      message: `Invalid value: ${shown}: ${strictMessage(decoded.complaints)}`,
    }]);
  }
  const moved = movedProblem(writing, metadataOf(decoded.value), old.metadata);
  if (moved !== null) return moved;
  // Named only by a patch that speaks of it itself: all others carry on the revision they were applied to.
  const stated = statedRevision(found.patch);
  const owning = { by: 'change', asked, sent: sentOwners(found.value) } as const;
  const warnings = warningsOf(decoded.complaints, asked);
  const replaced = replaceObject(writing, old, decoded.value, stated, asked, warnings, owning);
  return withWarnings(replaced, warnings);
}

function unsupportedForce(): Problem {
  return invalid({ group: 'meta.k8s.io', resource: 'PatchOptions', kind: 'PatchOptions' }, '', [{
    reason: 'FieldValueForbidden', field: 'force',
    message: 'Forbidden: may not be specified for non-apply patch',
  }]);
}

/** What a patch can't change: where the object is, and which one it is. */
function movedProblem({ route }: Writing, given: Partial<ObjectMeta>, old: ObjectMeta): Problem | null {
  const { name = '', namespace = '', uid = '' } = given;
  if (namespace !== '' && namespace !== route.namespace) return otherNamespace();
  if (name !== route.name) {
    return badRequest(`the name of the object (${name}) does not match the name on the URL (${route.name})`);
  }
  return uid === '' || uid === old.uid ? null : immutableUid(route.resource, route.name, uid);
}

export const otherNamespace = (): Problem => badRequest('the namespace of the provided object does not '
  + 'match the namespace sent on the request');

export const immutableUid = (resource: Resource, name: string, uid: string): Problem =>
  invalid(resource, name, [{
    reason: 'FieldValueInvalid', field: 'metadata.uid',
    message: `Invalid value: ${JSON.stringify(uid)}: field is immutable`,
  }]);

function statedRevision(patch: Json): boolean {
  if (Array.isArray(patch)) {
    const path = '/metadata/resourceVersion';
    return (patch as readonly Json[]).some((each) => isObject(each) && each['path'] === path);
  }
  const metadata = isObject(patch) ? patch['metadata'] : null;
  return isObject(metadata) && typeof metadata['resourceVersion'] === 'string';
}

/** Puts `value` in the place of the stored object, or of its status. */
export function replaceObject(
  writing: Writing, old: KubeObject, value: JsonObject, stated: boolean, asked: WriteOptions,
  warnings: readonly string[], owning: Owning,
): ApiResult | Problem {
  const { resource, name, subresource } = writing.route, given = metadataOf(value);
  const known = given.resourceVersion ?? '', uid = given.uid ?? '';
  if (known !== '' && known !== old.metadata.resourceVersion) return conflict(resource, name, staleObject);
  if (uid !== '' && uid !== old.metadata.uid) {
    return conflict(resource, name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`);
  }
  const { managedFields: _, ...metadata } = updatedMetadata(given, old.metadata);
  const filled = resource.defaults({ ...value, metadata } as unknown as KubeObject);
  const { route, request, state, context } = writing;
  const by = { user: request.user, nowWallMs: context.nowWallMs };
  const prepareBelow = prepareOf(resource, subresource);
  const below = subresource !== '' && prepareBelow !== undefined, { dryRun } = asked;
  const prepared = below ? prepareBelow(filled, old, by) : resource.prepareUpdate(filled, old);
  const owned = ownedBy(prepared, ownersAfter(writing, old, filled, owning));
  const admitted = mutate(admission(writing, { operation: 'UPDATE', object: owned, old, dryRun }));
  if (isProblem(admitted)) return admitted;
  const counted = below && subresource !== 'ephemeralcontainers' ? admitted.object
    : withGeneration(admitted.object, old, resource);
  const object = keepingTimes(counted, old);
  const tooBig = owning.by === 'apply' ? sizeProblem(object) : null;
  if (tooBig !== null) return tooBig;
  const writer = { route, user: request.user, state };
  const denied = escalation(writer, object, old) ?? signerProblem(writer, object, old);
  if (denied !== null) return denied;
  const causes = causesOf(object, old, resource, subresource);
  if (causes.length > 0) return invalid(resource, name, causes);
  const refused = validate(admitted.write);
  if (refused !== null) return refused;
  const told = [...warnings, ...admitted.write.warnings];
  if (dryRun) {
    return quotaProblem(writing, old, object) ?? answered(objectResponse(writing, object, 200, told));
  }
  return updateCommand(writing, old, object, stated, (stored) => objectResponse(writing, stored, 200, told));
}

/** For dry runs: else `apply` decides. */
function quotaProblem({ state, route }: Writing, old: KubeObject, object: KubeObject): Problem | null {
  const { resource, resourceName, namespace } = route, { name } = old.metadata;
  const key = objectKey(resourceName, namespace, name);
  const over = quotaRefusal(state, key, storedForm(resource, old), storedForm(resource, object));
  return over === null ? null : fromRefusal(over, resource, name);
}

function prepareOf(resource: Resource, subresource: string): Resource['prepareStatus'] | undefined {
  switch (subresource) {
    case 'approval': return resource.prepareApproval;
    case 'ephemeralcontainers': return resource.prepareEphemeralContainers;
    default: return resource.prepareStatus;
  }
}

const causesOf = (
  object: KubeObject, old: KubeObject, resource: Resource, subresource: string,
): readonly StatusCause[] =>
  [...validateMetadata(object, old, resource), ...resource.validate(object, old, subresource)];

