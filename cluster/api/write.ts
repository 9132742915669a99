// What create, update and patch have in common: the decoded body, what is asked of the write, and the command
// with its answer.
//
// What always holds: an update carries the revision of the object it was computed from, so that a lost race
// is seen in `apply`; a client that named no revision is then served again, from the newer object.

import { objectKey } from '../ids.ts';
import { limits } from '../limits.ts';
import { get } from '../state/query.ts';
import type { State } from '../state/state.ts';
import type { Op } from '../state/types.ts';
import { isObject } from './body.ts';
import type { JsonObject, ParsedBody } from './body.ts';
import { conform } from './decode.ts';
import type { FieldValidation } from './decode.ts';
import { withoutOwners } from './metadata.ts';
import { isPrintable } from './names.ts';
import { expectSame, resources } from './objects.ts';
import { jsonOnce } from './encoded.ts';
import { apiVersionOf, objectText, respond } from './output.ts';
import type { Form } from './output.ts';
import type { Query } from './query.ts';
import type { ApiContext, ApiRequest, ApiResponse, ApiResult } from './request.ts';
import type { Resource } from './resource.ts';
import { invalid as invalidField, tooLong } from './resources/validate.ts';
import type { Errors } from './resources/validate.ts';
import type { ResourceRoute } from './route.ts';
import { storedForm, viewOf } from './storage.ts';
import {
  badRequest, conflict, forbidden, fromRefusal, invalid, isProblem, notFound, problemResponse, staleObject,
  tooLarge,
} from './status.ts';
import type { Problem } from './status.ts';
import type { KubeObject, Namespace, StatusCause } from './types.ts';

/** A request to a resource, with everything that its answer may depend on. */
export interface Writing {
  readonly request: ApiRequest;
  readonly route: ResourceRoute;
  readonly query: Query;
  readonly form: Form;
  readonly state: State;
  readonly context: ApiContext;
  /** Annotations of the audit event; whoever has a say in the write adds to them. */
  readonly audit: Map<string, string>;
}

// ── the body ─────────────────────────────────────────────────────────────────────────────────────────────

export interface Decoded { readonly value: JsonObject; readonly complaints: readonly string[] }

/** The body as an object of this kind: its kind and version fit the path, its fields the schema. */
export function decodeAs(body: ParsedBody, resource: Resource): Decoded | Problem {
  const wanted = apiVersionOf(resource), { kind, version, schema } = resource;
  const given = isObject(body.value) ? body.value : {};
  const named = typeof given['kind'] === 'string' && given['kind'] !== '' ? given['kind'] : kind;
  if (named !== kind) {
    return badRequest(`${named} in version "${version}" cannot be handled as a ${kind}: the kind in the data `
      + `(${named}) does not match the expected kind (${kind})`);
  }
  const spoken = given['apiVersion'];
  if (typeof spoken === 'string' && spoken !== '' && spoken !== wanted) {
    return badRequest(`the API version in the data (${spoken}) does not match the expected API version `
      + `(${wanted})`);
  }
  const conformed = resource.decode?.(body) ?? conform(body, schema, kind, version);
  if (isProblem(conformed)) return conformed;
  const { apiVersion: _v, kind: _k, metadata, ...rest } = conformed.value;
  const value = { apiVersion: wanted, kind, metadata: isObject(metadata) ? metadata : {}, ...rest };
  return { value, complaints: conformed.complaints };
}

export const strictMessage = (complaints: readonly string[]): string =>
  `strict decoding error: ${complaints.join(', ')}`;

/** Decoded for a create or an update, and refused where the client wants no unknown fields. */
export function decodeStrictly(body: ParsedBody, resource: Resource, asked: WriteOptions): Decoded | Problem {
  const decoded = decodeAs(body, resource);
  if (isProblem(decoded) || asked.validation !== 'Strict' || decoded.complaints.length === 0) return decoded;
  const { kind, version } = resource, why = strictMessage(decoded.complaints);
  return badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: ${why}`);
}

// ── what is asked of the write ───────────────────────────────────────────────────────────────────────────

export interface WriteOptions {
  readonly dryRun: boolean;
  readonly validation: FieldValidation;
  /** Who says that it writes; empty: nobody does, and the user-agent tells. */
  readonly manager: string;
}

/** `kind`: that of the options in Kubernetes, e.g. `CreateOptions`, for messages. */
export function writeOptions(query: Query, kind: string): WriteOptions | Problem {
  const validation = query.get('fieldValidation') ?? '', dryRun = query.get('dryRun') ?? '';
  const manager = query.get('fieldManager') ?? '', wrong = managerCauses(manager, 'fieldManager');
  if (wrong.length > 0) return invalid({ group: 'meta.k8s.io', resource: kind, kind }, '', wrong);
  const refused = (field: string, value: string, supported: readonly string[]): Problem =>
    unsupportedOption(kind, field, value, supported);
  if (dryRun !== '' && dryRun !== 'All') return refused('dryRun', dryRun, ['All']);
  switch (validation) {
    case '': return { dryRun: dryRun === 'All', validation: 'Warn', manager };
    case 'Strict': case 'Warn': case 'Ignore': return { dryRun: dryRun === 'All', validation, manager };
    default: return refused('fieldValidation', validation, ['Ignore', 'Strict', 'Warn']);
  }
}

/** What is wrong with the name of a field manager. */
export function managerCauses(manager: string, field: string): readonly StatusCause[] {
  const errors: Errors = [];
  if (manager.length > limits.fieldManagerBytesMax / 4
    && new TextEncoder().encode(manager).length > limits.fieldManagerBytesMax) {
    tooLong(errors, field, limits.fieldManagerBytesMax);
  }
  let at = 0;
  for (const character of manager) {
    const code = character.codePointAt(0) ?? 0;
    if (!isPrintable(character) && errors.length < limits.complaintsMax) {
      const shown = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
      invalidField(errors, field, manager, `invalid character ${shown} (at position ${at})`);
    }
    at += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return errors;
}

export function unsupportedOption(
  kind: string, field: string, value: string, supported: readonly string[],
): Problem {
  const shown = supported.map((one) => JSON.stringify(one)).join(', ');
  return invalid({ group: 'meta.k8s.io', resource: kind, kind }, '', [{
    reason: 'FieldValueNotSupported', field,
    message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${shown}`,
  }]);
}

/** The complaints that the client hears of. */
export const warningsOf = (complaints: readonly string[], asked: WriteOptions): readonly string[] =>
  asked.validation === 'Ignore' ? [] : complaints;

// ── the command and its answer ───────────────────────────────────────────────────────────────────────────

/** Why the object can't be stored for its size; null where it can. */
export function sizeProblem(object: KubeObject): Problem | null {
  const text = jsonOnce(object);
  const { objectBytesMax } = limits;
  // Three bytes of UTF-8 hold any UTF-16 unit: most objects need not be encoded to know that they fit.
  if (text.length * 3 <= objectBytesMax) return null;
  return new TextEncoder().encode(text).length <= objectBytesMax ? null : tooLarge(objectBytesMax);
}

/** The object, if need be without its managedFields; of an apply they are the point, and it is refused. */
export function fitted(object: KubeObject, applies = false): KubeObject | Problem {
  const tooBig = sizeProblem(object);
  if (tooBig === null || applies) return tooBig ?? object;
  const bare = withoutOwners(object);
  return sizeProblem(bare) === null ? bare : tooBig;
}

/** Why nothing can be made in this namespace now; null where it can. For dry runs: else `apply` decides. */
export function namespaceProblem({ state, route }: Writing, name: string): Problem | null {
  const { namespace, resource } = route;
  if (namespace === '') return null;
  const found = get<Namespace>(state, objectKey(resources.namespaces, '', namespace));
  if (found === null) return notFound({ group: '', resource: 'namespaces' }, namespace);
  if (found.metadata.deletionTimestamp === undefined) return null;
  return forbidden(resource, name,
    `unable to create new content in namespace ${namespace} because it is being terminated`);
}

/** What the path names, as its resource shows it; null where it is not there. */
export function currentObject({ state, route }: Writing): KubeObject | null {
  const stored = get(state, objectKey(route.resourceName, route.namespace, route.name));
  return stored === null ? null : viewOf(route.resource, stored);
}

/** Replaces `old` by `object`, then shows it. `stated`: the client named the revision that it knew. */
export function updateCommand(
  writing: Writing, old: KubeObject, object: KubeObject, stated: boolean,
  show: (stored: KubeObject) => ApiResponse,
): ApiResult | Problem {
  const { resource, resourceName, namespace } = writing.route, { name } = old.metadata;
  const stored = fitted(storedForm(resource, object));
  if (isProblem(stored)) return stored;
  const key = objectKey(resourceName, namespace, name);
  const op: Op = { op: 'update', key, object: stored, expect: expectSame(old) };
  return {
    type: 'command', ops: [op],
    pending: {
      render(outcome) {
        const [now] = outcome.ok ? outcome.objects : [];
        if (outcome.ok) return show(now === undefined ? object : viewOf(resource, now));
        if (outcome.refusal.reason !== 'Conflict') {
          return problemResponse(fromRefusal(outcome.refusal, resource, name));
        }
        return stated ? problemResponse(conflict(resource, name, staleObject)) : 'retry';
      },
    },
  };
}

export function objectResponse(
  { route, form, context }: Writing, object: KubeObject, status: number, warnings: readonly string[] = [],
): ApiResponse {
  const shown = viewOf(route.resource, object);
  const text = form.as === 'object' ? jsonOnce(shown)
    : objectText(shown, route.resource, form, context.nowWallMs);
  return respond(status, text, form, warnings);
}

export const answered = (response: ApiResponse): ApiResult => ({ type: 'response', response });
