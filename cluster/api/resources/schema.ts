// What the schemas of all kinds are built of, and the types of apimachinery's meta/v1.
//
// Names, types and list keys are those of the Kubernetes API, release 1.36 (OpenAPI definitions and the
// patchMergeKey/patchStrategy tags of the Go types). What always holds: a schema is plain data, and every
// object in it that has an OpenAPI definition carries that definition's name.

import type { Schema } from '../resource.ts';

export const string: Schema = { type: 'string' };
export const boolean: Schema = { type: 'boolean' };
export const integer: Schema = { type: 'integer' };
export const quantity: Schema = { type: 'quantity' };
export const intOrString: Schema = { type: 'int-or-string' };
export const time: Schema = { type: 'time' };
/** What nobody here reads, and what is taken and given back as it came. */
export const anything: Schema = { type: 'any' };

export const mapOf = (of: Schema): Schema => ({ type: 'map', of });
export const listOf = (of: Schema): Schema => ({ type: 'list', of });
export const listBy = (mergeKey: string, of: Schema): Schema => ({ type: 'list', of, mergeKey });

export const strings: Schema = listOf(string);
export const stringSet: Schema = { type: 'list', of: string, set: true };
export const stringMap: Schema = mapOf(string);
export const bytesMap: Schema = mapOf({ type: 'bytes' });
export const quantities: Schema = mapOf(quantity);

const prefixes = {
  core: 'io.k8s.api.core.v1', apps: 'io.k8s.api.apps.v1', discovery: 'io.k8s.api.discovery.v1',
  coordination: 'io.k8s.api.coordination.v1', meta: 'io.k8s.apimachinery.pkg.apis.meta.v1',
} as const;

export type SchemaGroup = keyof typeof prefixes;
type Fields = Readonly<Record<string, Schema>>;
type ObjectSchema = Extract<Schema, { type: 'object' }>;

/** A structure with an OpenAPI definition of its own. */
export function object(
  group: SchemaGroup, name: string, fields: Fields, required: readonly string[] = [],
): ObjectSchema {
  const named = { type: 'object', fields, name: `${prefixes[group]}.${name}` } as const;
  return required.length === 0 ? named : { ...named, required };
}

/** The whole of a kind: what every object has, and the fields of its own. */
export function kindObject(
  group: SchemaGroup, kind: string, fields: Fields, required: readonly string[] = [],
): ObjectSchema {
  return object(group, kind, { apiVersion: string, kind: string, metadata: objectMeta, ...fields }, required);
}

const labelSelectorRequirement = object('meta', 'LabelSelectorRequirement', {
  key: string, operator: string, values: strings,
}, ['key', 'operator']);

export const labelSelector = object('meta', 'LabelSelector', {
  matchExpressions: listOf(labelSelectorRequirement), matchLabels: stringMap,
});

const ownerReference = object('meta', 'OwnerReference', {
  apiVersion: string, blockOwnerDeletion: boolean, controller: boolean, kind: string, name: string,
  uid: string,
}, ['apiVersion', 'kind', 'name', 'uid']);

const managedFieldsEntry = object('meta', 'ManagedFieldsEntry', {
  apiVersion: string, fieldsType: string, fieldsV1: anything, manager: string, operation: string,
  subresource: string, time,
});

export const objectMeta = object('meta', 'ObjectMeta', {
  annotations: stringMap, creationTimestamp: time, deletionGracePeriodSeconds: integer,
  deletionTimestamp: time, finalizers: stringSet, generateName: string, generation: integer,
  labels: stringMap, managedFields: listOf(managedFieldsEntry), name: string, namespace: string,
  ownerReferences: listBy('uid', ownerReference), resourceVersion: string, selfLink: string, uid: string,
});

export const metaCondition = object('meta', 'Condition', {
  lastTransitionTime: time, message: string, observedGeneration: integer, reason: string, status: string,
  type: string,
}, ['lastTransitionTime', 'message', 'reason', 'status', 'type']);

