// CustomResourceDefinition: a kind that defines kinds. Whether its names are accepted is decided by a
// controller on the leader; what it defines is served from then on, see `served.ts`.
//
// What always holds: a definition that is deleted first waits for its instances to go.
// Source: Kubernetes, apiextensions/v1 (defaults.go), registry/customresourcedefinition (strategy.go,
// etcd.go).

import { isObject } from '../body.ts';
import type { Json, JsonObject, ParsedBody } from '../body.ts';
import { conform } from '../decode.ts';
import type { Conformed } from '../decode.ts';
import { schemaOf } from '../kinds/schema.ts';
import type { Resource } from '../resource.ts';
import { nameColumn, text } from '../resources/columns.ts';
import { allVerbs, withStatus } from '../resources/kind.ts';
import { badRequest, isProblem } from '../status.ts';
import type { Problem } from '../status.ts';
import { rfc3339 } from '../time.ts';
import type { Condition, KubeObject } from '../types.ts';
import { cleanupFinalizer, definitionName, storageVersionOf } from './definition.ts';
import type { CustomResourceDefinition, CustomVersion } from './definition.ts';
import { mapFields } from './shape.ts';
import { validateDefinition, validateDefinitionStatus } from './validate.ts';

export const customResourceDefinition: Resource = {
  group: 'apiextensions.k8s.io', version: 'v1', resource: 'customresourcedefinitions',
  singular: 'customresourcedefinition', kind: 'CustomResourceDefinition',
  shortNames: ['crd', 'crds'], categories: ['api-extensions'], namespaced: false, verbs: allVerbs,
  subresources: ['status'], hasGeneration: true, schema: schemaOf(definitionName), fields: {},
  columns: [
    nameColumn,
    { ...text('Created At', 'When the definition was created.', ({ metadata }) => metadata.creationTimestamp),
      type: 'date' },
  ],
  decode: decodeDefinition,
  defaults: (object) => defaulted(object as CustomResourceDefinition),
  prepareCreate: (object) => {
    const definition = object as CustomResourceDefinition;
    const status = { conditions: [], acceptedNames: { plural: '', kind: '' } };
    return withStatus(object, withStored(definition, { ...status, storedVersions: [] }));
  },
  prepareUpdate: (object, old) => {
    const { status } = old as CustomResourceDefinition;
    return withStatus(object, withStored(object as CustomResourceDefinition, { ...status }));
  },
  prepareStatus: (object, old) => withStatus(old, (object as CustomResourceDefinition).status),
  validate: (object, old, subresource) =>
    subresource === 'status' ? validateDefinitionStatus(object) : validateDefinition(object, old),
  prepareDelete: (object, nowWallMs) => terminating(object as CustomResourceDefinition, nowWallMs),
};

// ── decoding ─────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Schemas may stand where the tables of the kinds have a choice, which they leave open: `items` and others.
 */
function decodeDefinition(body: ParsedBody): Conformed | Problem {
  const { kind, version, schema } = customResourceDefinition;
  const decoded = conform(body, schema, kind, version);
  if (isProblem(decoded)) return decoded;
  const reading: Reading = { complaints: [], problem: null };
  const value = mapFields(decoded.value, (spec, name) => name !== 'spec' || !isObject(spec) ? spec
    : mapFields(spec, (versions, field) => field !== 'versions' || !Array.isArray(versions) ? versions
      : (versions as readonly Json[]).map((one, at) => inVersion(one, `spec.versions[${at}]`, reading))));
  return reading.problem ?? { value, complaints: [...decoded.complaints, ...reading.complaints] };
}

interface Reading { readonly complaints: string[]; problem: Problem | null }

function inVersion(version: Json, path: string, reading: Reading): Json {
  if (!isObject(version)) return version;
  return mapFields(version, (schema, name) => name !== 'schema' || !isObject(schema) ? schema
    : mapFields(schema, (props, field) => field === 'openAPIV3Schema'
      ? inSchema(props, `${path}.schema.${field}`, reading) : props));
}

const schemaProps = schemaOf('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps');
const choices: readonly string[] = ['items', 'additionalProperties', 'additionalItems'];
const several: readonly string[] = ['allOf', 'anyOf', 'oneOf'];

function inSchema(value: Json, path: string, reading: Reading): Json {
  if (!isObject(value) || reading.problem !== null) return value;
  return mapFields(value, (field, name) => {
    const at = `${path}.${name}`;
    if (choices.includes(name)) return choice(field, at, reading);
    if (name === 'not') return inSchema(field, at, reading);
    if (several.includes(name) && Array.isArray(field)) {
      return (field as readonly Json[]).map((one, index) => inSchema(one, `${at}[${index}]`, reading));
    }
    if (name !== 'properties' || !isObject(field)) return field;
    return mapFields(field, (property, key) => inSchema(property, `${at}.${key}`, reading));
  });
}

/** A schema, which is read as one; or true or false, or a list, which the validation judges. */
function choice(value: Json, path: string, reading: Reading): Json {
  const isFlag = path.endsWith('.additionalProperties') && typeof value === 'boolean';
  if (isFlag || Array.isArray(value)) return value;
  if (!isObject(value)) {
    reading.problem ??= badRequest('CustomResourceDefinition in version "v1" cannot be handled as a '
      + `CustomResourceDefinition: json: cannot unmarshal ${JSON.stringify(value)} into ${path} of type `
      + 'v1.JSONSchemaProps');
    return value;
  }
  const read = conform({ value, duplicates: [] }, schemaProps, 'CustomResourceDefinition', 'v1');
  if (isProblem(read)) {
    reading.problem ??= read;
    return value;
  }
  for (const complaint of read.complaints) {
    reading.complaints.push(complaint.replace('unknown field "', `unknown field "${path}.`));
  }
  return inSchema(read.value, path, reading);
}

// ── defaults and status ──────────────────────────────────────────────────────────────────────────────────

/** With everything that the validation looks at, and the names that follow from others. */
function defaulted(object: CustomResourceDefinition): KubeObject {
  const definition = withoutNulls(object as unknown as Json) as unknown as CustomResourceDefinition;
  const given = (definition as { spec?: Partial<CustomResourceDefinition['spec']> }).spec ?? {};
  const names = given.names ?? {}, { kind = '', plural = '' } = names;
  const singular = names.singular || kind.toLowerCase(), listKind = names.listKind || (kind && `${kind}List`);
  const versions = (given.versions ?? []).map((one) => named(one));
  const spec = {
    ...given, group: given.group ?? '', scope: given.scope ?? '', versions,
    names: { ...names, plural, singular, kind, listKind },
    conversion: defaultConversion(given.conversion),
  };
  return { ...definition, spec } as KubeObject;
}

/** In these a null means null; anywhere else, that nothing is there. */
const anyJson: readonly string[] = ['default', 'example', 'enum'];

function withoutNulls(value: Json): Json {
  if (Array.isArray(value)) {
    const items: readonly Json[] = value, kept = items.filter((item) => item !== null).map(withoutNulls);
    return kept.length === items.length && kept.every((item, at) => item === items[at]) ? items : kept;
  }
  if (!isObject(value)) return value;
  return mapFields(value, (field, name) =>
    field === null ? undefined : anyJson.includes(name) ? field : withoutNulls(field));
}

const named = (version: CustomVersion): CustomVersion => ({
  ...version, name: (version as { name?: string }).name ?? '', served: version.served ?? false,
  storage: version.storage ?? false,
});

/** The status, with the storage version among those that objects may be stored in. */
function withStored(
  definition: CustomResourceDefinition, status: NonNullable<CustomResourceDefinition['status']>,
): JsonObject {
  const storage = storageVersionOf(definition)?.name, { storedVersions = [] } = status;
  const stored = storage === undefined || storedVersions.includes(storage) ? storedVersions
    : [...storedVersions, storage];
  return { ...status, storedVersions: stored } as unknown as JsonObject;
}

function terminating(definition: CustomResourceDefinition, nowWallMs: number): KubeObject {
  const { metadata, status } = definition, { finalizers = [] } = metadata;
  const held = finalizers.includes(cleanupFinalizer) ? finalizers : [...finalizers, cleanupFinalizer];
  const conditions = withCondition(status?.conditions ?? [], {
    type: 'Terminating', status: 'True', reason: 'InstanceDeletionPending',
    message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
  }, nowWallMs);
  return { ...definition, metadata: { ...metadata, finalizers: held }, status: { ...status, conditions } } as
    KubeObject;
}

/** In the place of the one of its type, or last; the time of its status stays while its status does. */
export function withCondition(
  conditions: readonly Condition[], condition: Condition, nowWallMs: number,
): readonly Condition[] {
  const before = conditions.find(({ type }) => type === condition.type);
  const { lastTransitionTime = rfc3339(nowWallMs) } = before?.status === condition.status ? before : {};
  const next = { ...condition, lastTransitionTime };
  return before === undefined ? [...conditions, next]
    : conditions.map((one) => one === before ? next : one);
}

function defaultConversion(given: Spec['conversion']): NonNullable<Spec['conversion']> {
  const service = given?.webhook?.clientConfig?.service;
  if (given === undefined) return { strategy: 'None' };
  if (service === undefined || service.port !== undefined) return given;
  const clientConfig = { ...given.webhook?.clientConfig, service: { ...service, port: 443 } };
  return { ...given, webhook: { ...given.webhook, clientConfig } };
}

type Spec = CustomResourceDefinition['spec'];
