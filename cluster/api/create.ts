// create: from a body to a new object with a name, a uid and a time of birth.
// Source: apiserver registry/rest (BeforeCreate), endpoints/handlers/create.go.

import { objectKey } from '../ids.ts';
import { get } from '../state/query.ts';
import { quotaRefusal } from '../state/quota.ts';
import { escalation } from './access/escalate.ts';
import { signerProblem } from './access/signers.ts';
import { admission, mutate, validate } from './admission/chain.ts';
import { ownedBy, ownersAfter, sentOwners } from './apply/owners.ts';
import type { Owning } from './apply/owners.ts';
import { parseBody } from './body.ts';
import type { JsonObject } from './body.ts';
import { clientMetadata, generatedName, metadataOf, validateMetadata } from './metadata.ts';
import { newborn } from './objects.ts';
import type { ApiResult } from './request.ts';
import type { ResourceRoute } from './route.ts';
import { storedForm } from './storage.ts';
import {
  alreadyExists, badRequest, fromRefusal, invalid, isProblem, problemResponse, withWarnings,
} from './status.ts';
import type { Problem } from './status.ts';
import type { KubeObject, ObjectMeta, StatusCause } from './types.ts';
import {
  answered, decodeStrictly, fitted, namespaceProblem, objectResponse, warningsOf, writeOptions,
} from './write.ts';
import type { WriteOptions, Writing } from './write.ts';

export function createObject(writing: Writing): ApiResult | Problem {
  const { request, route, query } = writing, { resource } = route;
  const asked = writeOptions(query, 'CreateOptions');
  if (isProblem(asked)) return asked;
  const body = parseBody(request.body, request.headers['content-type']);
  if (isProblem(body)) return body;
  const decoded = decodeStrictly(body, resource, asked);
  if (isProblem(decoded)) return decoded;
  const owning = { by: 'change', asked, sent: sentOwners(body.value) } as const;
  const warnings = warningsOf(decoded.complaints, asked);
  return withWarnings(createDecoded(writing, decoded.value, warnings, asked, owning), warnings);
}

/** A new object of what a client sent or applied. */
export function createDecoded(
  writing: Writing, value: JsonObject, complaints: readonly string[], asked: WriteOptions, owning: Owning,
): ApiResult | Problem {
  const { route } = writing, { resource } = route;
  const metadata = newMetadata(writing, metadataOf(value));
  if (isProblem(metadata)) return metadata;
  const admitted = mutate(admission(writing, {
    operation: 'CREATE', object: newObject(writing, { ...value, metadata } as unknown as KubeObject, owning),
    old: null, dryRun: asked.dryRun, name: metadataOf(value).name ?? '',
  }));
  if (isProblem(admitted)) return admitted;
  const { object, write } = admitted, { name } = object.metadata;
  const writer = { route, user: writing.request.user, state: writing.state };
  const denied = escalation(writer, object, null) ?? signerProblem(writer, object, null);
  if (denied !== null) return denied;
  const causes: readonly StatusCause[] =
    [...validateMetadata(object, null, resource), ...resource.validate(object, null)];
  if (causes.length > 0) return invalid(resource, name, causes);
  const refused = validate(write);
  if (refused !== null) return refused;
  const warnings = [...complaints, ...write.warnings];
  const key = objectKey(route.resourceName, route.namespace, name);
  const form = fitted(storedForm(resource, object), owning.by === 'apply');
  if (isProblem(form)) return form;
  if (asked.dryRun) {
    const closed = namespaceProblem(writing, name);
    if (closed !== null) return closed;
    if (get(writing.state, key) !== null) return alreadyExists(resource, name);
    const over = quotaRefusal(writing.state, key, null, form);
    return over !== null ? fromRefusal(over, resource, name)
      : answered(objectResponse(writing, withoutRevision(object), 201, warnings));
  }
  const generated = metadataOf(value).name === undefined, again = generated || owning.by === 'apply';
  return {
    type: 'command', ops: [{ op: 'create', key, object: form }],
    pending: {
      render(outcome) {
        const [stored] = outcome.ok ? outcome.objects : [];
        if (outcome.ok) return objectResponse(writing, stored ?? object, 201, warnings);
        // A generated name that was taken is drawn again; an apply is made to what is there now.
        if (again && outcome.refusal.reason === 'AlreadyExists') return 'retry';
        return problemResponse(fromRefusal(outcome.refusal, resource, name));
      },
    },
  };
}

/** What the client says of the metadata, with a name and in the path's namespace. */
function newMetadata({ route, context }: Writing, given: Partial<ObjectMeta>): Partial<ObjectMeta> | Problem {
  if ((given.resourceVersion ?? '') !== '') {
    return badRequest('resourceVersion should not be set on objects to be created');
  }
  const wrong = namespaceMismatch(given.namespace ?? '', route);
  if (wrong !== null) return wrong;
  const metadata = clientMetadata(given), { generateName } = metadata;
  const drawn = generateName === undefined ? '' : generatedName(generateName, context.suffix());
  const name = metadata.name ?? drawn;
  if (name === '') {
    return invalid(route.resource, '', [{
      reason: 'FieldValueRequired', field: 'metadata.name',
      message: 'Required value: name or generateName is required',
    }]);
  }
  return { ...metadata, name, ...route.namespace === '' ? {} : { namespace: route.namespace } };
}

function namespaceMismatch(given: string, { resource, namespace }: ResourceRoute): Problem | null {
  if (resource.namespaced && namespace === '') {
    return badRequest('an empty namespace may not be set during creation');
  }
  return given === '' || given === namespace ? null
    : badRequest('the namespace of the provided object does not match the namespace sent on the request');
}

/** What was not stored has no revision. */
function withoutRevision(object: KubeObject): KubeObject {
  const { resourceVersion: _, ...metadata } = object.metadata;
  return { ...object, metadata } as KubeObject;
}

/** Defaults, owners, the kind's own preparations, and what every new object gets. */
function newObject(writing: Writing, raw: KubeObject, owning: Owning): KubeObject {
  const { request, route, context } = writing, { resource } = route;
  const { nowWallMs } = context, given = resource.defaults(raw);
  const owners = ownersAfter(writing, null, given, owning);
  const { generation: _, ...metadata } = given.metadata;
  const counted = resource.hasGeneration ? { generation: 1 } : {};
  const counting = { ...given, metadata: { ...metadata, ...counted } };
  const born = newborn(counting, { uid: context.uid(), nowWallMs });
  return ownedBy(resource.prepareCreate(born, { user: request.user, nowWallMs }), owners);
}
