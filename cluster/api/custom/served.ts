// The kinds that a CustomResourceDefinition defines, one per version that it serves, as the same tables of
// behaviour that built-in kinds have.
//
// What always holds: the kinds are a function of the definition alone, made once for it; a definition whose
// names are not accepted serves nothing. Objects lie in the state in the form of the storage version as of
// their last write; a view of them is pruned and defaulted by the schema as it is today.
// Source: apiextensions-apiserver pkg/apiserver (customresource_handler.go), pkg/registry/customresource
// (strategy.go, status_strategy.go, validator.go).

import { checkRules, hasRules } from '../cel/rules.ts';
import { isObject } from '../body.ts';
import type { Json, JsonObject, ParsedBody } from '../body.ts';
import type { Conformed } from '../decode.ts';
import { conform } from '../decode.ts';
import type { Resource, Storage } from '../resource.ts';
import { statusOf, withStatus } from '../resources/kind.ts';
import type { Errors } from '../resources/validate.ts';
import { badRequest, isProblem } from '../status.ts';
import type { Problem } from '../status.ts';
import type { KubeObject, StatusCause } from '../types.ts';
import type { Conversion } from './conversion.ts';
import { columnsOf } from './columns.ts';
import { isTrue, storageVersionOf } from './definition.ts';
import type { CustomResourceDefinition, CustomVersion, JsonSchema } from './definition.ts';
import { embeddedCauses, listCauses } from './embedded.ts';
import { publishedAs } from './published.ts';
import { scaleErrorsOf, scaleOf } from './scale.ts';
import { schemaFrom } from './schema.ts';
import { selectorsOf } from './selectable.ts';
import { coerced, defaulted, objectMeta, pruned, withoutNulls } from './shape.ts';
import type { Embedding } from './shape.ts';
import { valueCauses } from './values.ts';

const made = new WeakMap<KubeObject, readonly Resource[]>();

/** The storage version first. */
export function servedKinds(definition: KubeObject): readonly Resource[] {
  let kinds = made.get(definition);
  if (kinds === undefined) made.set(definition, kinds = kindsOf(definition as CustomResourceDefinition));
  return kinds;
}

function kindsOf(definition: CustomResourceDefinition): readonly Resource[] {
  const storage = storageVersionOf(definition);
  if (storage === null || !isTrue(definition, 'Established')) return [];
  const stored = kindOf(definition, storage, storage);
  const others = definition.spec.versions
    .filter(({ name, served }) => served === true && name !== storage.name)
    .map((version) => kindOf(definition, version, storage));
  return storage.served === true ? [stored, ...others] : others;
}

/** That of a definition that has none: nothing is known, and all is kept. */
const openSchema: JsonSchema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'] as const;
/** Nothing new may come while the definition goes. */
const lastVerbs: readonly string[] = ['delete', 'deletecollection', 'get', 'list', 'watch'];

function kindOf(
  definition: CustomResourceDefinition, version: CustomVersion, storage: CustomVersion,
): Resource {
  const { spec, status } = definition, { acceptedNames: names = {} } = status ?? {};
  const { group = '', scope } = spec;
  const { plural = '', kind = '', singular = '', listKind = `${kind}List` } = names;
  const schema = version.schema?.openAPIV3Schema ?? openSchema;
  const hasStatus = version.subresources?.status !== undefined, scale = version.subresources?.scale;
  const apiVersion = `${group}/${version.name}`;
  const conversion = webhookOf(definition, `${group}/${storage.name}`);
  const rules: Rules = { schema, hasStatus, scale };
  const fill = (object: KubeObject): KubeObject => filled(object, schema);
  let shape: Resource['schema'] | null = null;
  const resource: Resource = {
    group, version: version.name, resource: plural, singular, kind, listKind,
    shortNames: names.shortNames ?? [], categories: names.categories ?? [],
    namespaced: scope === 'Namespaced', verbs: isTrue(definition, 'Terminating') ? lastVerbs : verbs,
    subresources: [...hasStatus ? ['status'] as const : [], ...scale === undefined ? [] : ['scale'] as const],
    get schema() { return shape ??= schemaFrom(schema); },
    columns: columnsOf(version), fields: selectorsOf(version.selectableFields ?? []),
    decode: (body) => decodeCustom(body, schema, kind, version.name),
    defaults: fill,
    prepareCreate: (object) => hasStatus ? withStatus(object, undefined) : object,
    prepareUpdate: (object, old) => hasStatus ? withStatus(object, statusOf(old)) : object,
    prepareStatus: (object, old) => withStatus(old, statusOf(object)),
    validate: (object, old, subresource) => subresource === 'status' && old !== null
      ? statusCauses(object, old, rules) : causesOf(object, old, rules),
    ...scale === undefined ? {} : { scale: scaleOf(scale) },
    ...conversion === null ? {} : { conversion },
    get storage() { return kept; },
    hasGeneration: true,
    custom: true, published: publishedAs(group, version, kind),
    deprecation: warningOf(version, kind, apiVersion),
  };
  const kept: Storage = storageOf(resource, `${group}/${storage.name}`, apiVersion, schema);
  return resource;
}

/** Null: the versions differ in name only. */
function webhookOf({ spec }: CustomResourceDefinition, stored: string): Conversion | null {
  const { strategy, webhook = {} } = spec.conversion ?? {};
  const { clientConfig = {}, conversionReviewVersions: reviewVersions = [] } = webhook;
  return strategy !== 'Webhook' ? null : { clientConfig, reviewVersions, stored };
}

function warningOf(
  { deprecated, deprecationWarning }: CustomVersion, kind: string, apiVersion: string,
): string | null {
  return deprecated === true ? deprecationWarning ?? `${apiVersion} ${kind} is deprecated` : null;
}

// ── what is stored, and what is shown of it ──────────────────────────────────────────────────────────────

function storageOf(resource: Resource, stored: string, shown: string, schema: JsonSchema): Storage {
  const as = (object: KubeObject, apiVersion: string): KubeObject =>
    object.apiVersion === apiVersion ? object : { ...object, apiVersion };
  return {
    resource, everyView: true,
    to: (object) => as(object, stored),
    from: (object) => filled(as(object, shown), schema),
  };
}

/** As the schema has it: without what it does not know, with its defaults. The object itself if it is so. */
function filled(object: KubeObject, schema: JsonSchema): KubeObject {
  const known = withoutNulls(pruned(object as unknown as Json, schema, []), schema);
  return defaulted(known, schema) as unknown as KubeObject;
}

/** Kubernetes decodes custom objects by no types: those are for the validation. */
function decodeCustom(
  { value, duplicates }: ParsedBody, schema: JsonSchema, kind: string, version: string,
): Conformed | Problem {
  if (!isObject(value)) {
    return badRequest("couldn't get version/kind; json parse error: the body is no object");
  }
  const cannot = (why: string): Problem =>
    badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: ${why}`);
  const meta = value['metadata'] ?? {};
  const metadata = conform({ value: meta, duplicates: [] }, objectMeta, 'ObjectMeta', 'v1');
  if (isProblem(metadata)) {
    const [, why = 'metadata is no object'] = /(json: .*)$/.exec(metadata.problem.message ?? '') ?? [];
    return cannot(why);
  }
  const unknown: string[] = [], embedding: Embedding = { unknown: [], error: null };
  const known = withoutNulls(pruned(value, schema, unknown), schema);
  const whole = coerced(known, schema, '', embedding);
  if (embedding.error !== null) {
    const { field, value: wrong, detail } = embedding.error;
    return cannot(`${field}: Invalid value: ${JSON.stringify(wrong)}: ${detail}`);
  }
  const inMetadata = metadata.complaints.map((complaint) => complaint.replace('"', '"metadata.'));
  const others = [...unknown.sort(), ...embedding.unknown.sort()].map((path) => `unknown field "${path}"`);
  return {
    value: { ...whole as JsonObject, metadata: metadata.value },
    complaints: [...duplicates.map((path) => `duplicate field "${path}"`), ...inMetadata, ...others],
  };
}

// ── validation ───────────────────────────────────────────────────────────────────────────────────────────

interface Rules {
  readonly schema: JsonSchema; readonly hasStatus: boolean;
  readonly scale: NonNullable<CustomVersion['subresources']>['scale'];
}

function causesOf(
  object: KubeObject, old: KubeObject | null, { schema, scale }: Rules,
): readonly StatusCause[] {
  const value = object as unknown as Json, before = old as unknown as Json;
  const errors: Errors = [
    ...valueCauses(value, schema, old === null ? null : { value: before }),
    ...scale === undefined ? [] : scaleErrorsOf(value, scale, true),
    ...embeddedCauses(value, schema),
  ];
  // A list that held something twice before may go on doing so.
  if (old === null || listCauses(before, schema).length === 0) errors.push(...listCauses(value, schema));
  return withRules(errors, schema, () => checkRules(schema, value, old === null ? undefined : before));
}

function statusCauses(object: KubeObject, old: KubeObject, { schema, scale }: Rules): readonly StatusCause[] {
  const status = statusOf(object) as Json | undefined, before = statusOf(old) as Json | undefined;
  const of = schema.properties?.['status'], errors: Errors = [];
  if (status !== undefined && of !== undefined) {
    errors.push(...valueCauses(status, of, before === undefined ? null : { value: before }, 'status'));
  }
  if (scale !== undefined) errors.push(...scaleErrorsOf(object as unknown as Json, scale, false));
  if (of === undefined || status === undefined) return errors;
  errors.push(...embeddedCauses(status, of, 'status'));
  if (before === undefined || listCauses(before, of).length === 0) {
    errors.push(...listCauses(status, of, 'status'));
  }
  return withRules(errors, of, () => checkRules(of, status, before, 'status'));
}

/** Mistakes after which a rule might ask for what is not there. */
const blocking: readonly string[] = [
  'FieldValueNotSupported', 'FieldValueRequired', 'FieldValueTooLong', 'FieldValueTooMany',
  'FieldValueTypeInvalid',
];

function withRules(
  errors: Errors, schema: JsonSchema, check: () => readonly StatusCause[],
): readonly StatusCause[] {
  if (!hasRules(schema)) return errors;
  if (!errors.some(({ reason }) => blocking.includes(reason))) return [...errors, ...check()];
  const message = 'Invalid value: null: some validation rules were not checked because the object was '
    + 'invalid; correct the existing errors to complete validation';
  return [...errors, { reason: 'FieldValueInvalid', field: '<nil>', message }];
}
