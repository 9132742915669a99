// PATCH with application/apply-patch+yaml: server-side apply, as a request and its answer.
//
// What always holds: an apply that changes nothing writes nothing; one that loses a race is made again, over
// what is there then. Source: apiserver endpoints/handlers/patch.go (applyPatcher) and util/managedfields.

import { attributesOf } from '../access/attributes.ts';
import { authorize } from '../access/authorize.ts';
import { createDecoded } from '../create.ts';
import { isObject, mediaType, parseApplied } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';
import { metadataOf } from '../metadata.ts';
import { apiVersionOf } from '../output.ts';
import { flag } from '../query.ts';
import type { ApiResult } from '../request.ts';
import type { Resource } from '../resource.ts';
import { badRequest, conflict, forbidden, invalid, isProblem, notFound, problem } from '../status.ts';
import type { Problem } from '../status.ts';
import type { ObjectMeta } from '../types.ts';
import { immutableUid, otherNamespace, replaceObject } from '../update.ts';
import { currentObject, decodeAs, writeOptions } from '../write.ts';
import type { WriteOptions, Writing } from '../write.ts';
import { applyAsKubectl } from './lastapplied.ts';
import type { Managers } from './managers.ts';
import { managersOf, sentOwners, valueOf, writerOf } from './owners.ts';
import { conflictMessage, managerText } from './ownership.ts';
import type { Application, Conflict, Writer } from './ownership.ts';
import { pathText } from './elements.ts';
import { objectIn, ownedPart } from './shape.ts';
import { typeErrors } from './typed.ts';

export const applyType = 'application/apply-patch+yaml';

export const isApply = ({ request }: Writing): boolean =>
  request.method === 'PATCH' && mediaType(request.headers['content-type']) === applyType;

export function applyObject(writing: Writing): ApiResult | Problem {
  const { resource, name, subresource } = writing.route;
  const asked = applyOptions(writing);
  if (isProblem(asked)) return asked;
  const config = readConfiguration(writing, resource, asked);
  if (isProblem(config)) return config;
  const old = currentObject(writing);
  const managers = managersOf(writing, old), { schema } = resource;
  const found = applied(writing, asked, {
    live: old === null ? undefined : valueOf(old), applied: config.value, managers, schema,
    part: ownedPart(resource, subresource),
  });
  if (isProblem(found)) return found;
  const late = config.late();
  if (late !== null) return late;
  const decoded = decodeAs({ value: found.value, duplicates: [] }, resource);
  if (isProblem(decoded)) return misfit(config, decoded);
  const given = metadataOf(objectIn(config.value) as JsonObject);
  const wrong = placeProblem(writing, metadataOf(decoded.value));
  if (wrong !== null) return wrong;
  const owning = { by: 'apply', managers: found.managers } as const;
  if (old === null) {
    if (subresource !== '') return notFound(resource, name);
    const denied = createDenied(writing), uid = given.uid ?? '';
    if (denied !== null) return denied;
    if (uid !== '') {
      return conflict(resource, name, `uid mismatch: the provided object specified uid ${uid}, and no `
        + 'existing object was found');
    }
    return createDecoded(writing, withoutSystemFields(decoded.value), config.warnings, asked, owning);
  }
  const uid = given.uid ?? '';
  if (uid !== '' && uid !== old.metadata.uid) return immutableUid(resource, name, uid);
  const stated = (given.resourceVersion ?? '') !== '';
  return replaceObject(writing, old, decoded.value, stated, asked, config.warnings, owning);
}

/** The configuration has the form of its kind, and yet a value that the kind can't hold. */
function misfit({ value, given }: Configuration, { problem: { message = '' } }: Problem): Problem {
  const { namespace = '', name = '' } = metadataOf(objectIn(value)), why = /json: .*$/s.exec(message)?.[0];
  return problem(500, '', `failed to convert new object (${namespace}/${name}; ${given}) to proper version: `
    + (why ?? message));
}

/** PatchOptions of an apply: it must say who applies. */
export function applyOptions({ query }: Writing): WriteOptions | Problem {
  const asked = writeOptions(query, 'PatchOptions');
  if (isProblem(asked) || asked.manager !== '') return asked;
  return invalid({ group: 'meta.k8s.io', resource: 'PatchOptions', kind: 'PatchOptions' }, '', [{
    reason: 'FieldValueRequired', field: 'fieldManager',
    message: 'Required value: is required for apply patch',
  }]);
}

export interface Configuration {
  readonly value: Json;
  /** Its version and kind, as messages name them. */
  readonly given: string;
  /** What the client hears of keys that it gave twice … */
  readonly warnings: readonly string[];
  /** … or why that is refused, once the apply itself went well. */
  readonly late: () => Problem | null;
}

/** The body, which must be a configuration of this kind. */
export function readConfiguration(
  { request }: Writing, kind: Pick<Resource, 'group' | 'version' | 'kind' | 'schema'>, asked: WriteOptions,
): Configuration | Problem {
  const body = parseApplied(request.body);
  if (isProblem(body)) return body;
  const { value, repeated } = body, fields = objectIn(value);
  const given = kindText(fields['apiVersion'], fields['kind']);
  if (!isObject(value) || given !== kindText(apiVersionOf(kind), kind.kind)) {
    return badRequest(`invalid object type: ${given}`);
  }
  if (Array.isArray(sentOwners(value))) return badRequest('metadata.managedFields must be nil');
  const wrong = typeErrors(value, kind.schema);
  if (wrong !== '') {
    const { namespace = '', name = '' } = metadataOf(value);
    return problem(500, '', `failed to create typed patch object (${namespace}/${name}; ${given}): ${wrong}`);
  }
  // Kubernetes drops the warning, for it has several lines: here it has one.
  const said = repeated === '' || asked.validation === 'Ignore' ? [] : [repeated.replaceAll(/\s+/g, ' ')];
  return {
    value, given, warnings: asked.validation === 'Warn' ? said : [],
    late: () => asked.validation === 'Strict' && said.length > 0
      ? badRequest(`error strict decoding YAML: ${repeated}`) : null,
  };
}

/** `apps/v1, Kind=Deployment`, as Go prints it. */
function kindText(apiVersion: Json | undefined, kind: Json | undefined): string {
  const text = typeof apiVersion === 'string' ? apiVersion : '', cut = text.indexOf('/');
  const group = cut < 0 ? '' : text.slice(0, cut), version = text.slice(cut + 1);
  return `${group}/${version}, Kind=${typeof kind === 'string' ? kind : ''}`;
}

/** What the apply makes of the object, or the conflicts that it meets. */
export function applied(
  writing: Writing, asked: WriteOptions, given: Omit<Application, 'writer' | 'force'>,
  writer: Writer = writerOf(writing, asked.manager),
): { readonly value: Json; readonly managers: Managers } | Problem {
  const result = applyAsKubectl({ ...given, writer, force: flag(writing.query, 'force') });
  return result.ok ? result : conflictProblem(result.conflicts);
}

export function conflictProblem(conflicts: readonly Conflict[]): Problem {
  const causes = conflicts.map(({ entry, path }) => ({
    reason: 'FieldManagerConflict', message: `conflict with ${managerText(entry)}`, field: pathText(path),
  }));
  return problem(409, 'Conflict', conflictMessage(conflicts), { causes });
}

/** Who applies what is not there yet creates it, and must be allowed to. */
function createDenied({ request, route, query, state }: Writing): Problem | null {
  const decision = authorize({ ...attributesOf(request, query), verb: 'create' }, request.user, state);
  return decision.allowed ? null : forbidden(route.resource, route.name, decision.reason);
}

function placeProblem({ route }: Writing, given: Partial<ObjectMeta>): Problem | null {
  const { name = '', namespace = '' } = given;
  if (namespace !== '' && namespace !== route.namespace) return otherNamespace();
  if (name === '') {
    return badRequest(`the name of the object (${route.name} based on URL) was undeterminable: `
      + 'name must be provided');
  }
  return name === route.name ? null
    : badRequest(`the name of the object (${name}) does not match the name on the URL (${route.name})`);
}

function withoutSystemFields(value: JsonObject): JsonObject {
  const { resourceVersion: _, ...metadata } = objectIn(value['metadata']);
  return { ...value, metadata };
}

