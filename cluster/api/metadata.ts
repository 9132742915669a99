// The metadata of an object as a client may write it: names, labels, owners; and what the API itself keeps.
// Source: apimachinery api/validation (ValidateObjectMeta), apiserver registry/rest (BeforeCreate,
// BeforeUpdate).

import { limits } from '../limits.ts';
import type { JsonObject } from './body.ts';
import { labelKeyError, nameError } from './names.ts';
import type { Resource } from './resource.ts';
import { validateAnnotations, validateLabels } from './resources/names.ts';
import { forbidden, invalid, required, sameJson, tooLong } from './resources/validate.ts';
import type { Errors } from './resources/validate.ts';
import type { KubeObject, ObjectMeta, StatusCause } from './types.ts';

/** Finalizers that need no domain before their name. */
const standardFinalizers = ['orphan', 'foregroundDeletion', 'kubernetes'];

/** Field errors of the metadata; `old` null on create. */
export function validateMetadata(
  object: KubeObject, old: KubeObject | null, resource: Resource,
): readonly StatusCause[] {
  const errors: Errors = [], { metadata } = object;
  if (old === null) validateNames(errors, metadata, resource);
  validateLabels(errors, 'metadata.labels', metadata.labels);
  validateAnnotations(errors, 'metadata.annotations', metadata.annotations);
  let bytes = 0;
  for (const [key, value] of Object.entries(metadata.annotations ?? {})) bytes += key.length + value.length;
  if (bytes > limits.annotationsCharsMax) tooLong(errors, 'metadata.annotations', limits.annotationsCharsMax);
  validateOwners(errors, metadata.ownerReferences ?? []);
  validateFinalizers(errors, metadata.finalizers ?? [], old, resource.custom === true);
  return errors;
}

function validateNames(errors: Errors, { name, generateName }: ObjectMeta, resource: Resource): void {
  const rule = resource.nameRule ?? 'subdomain';
  if (generateName !== undefined) {
    const wrong = nameError(generateName, rule, true);
    if (wrong !== null) invalid(errors, 'metadata.generateName', generateName, wrong);
  }
  const wrong = nameError(name, rule);
  if (wrong !== null) invalid(errors, 'metadata.name', name, wrong);
}

function validateOwners(errors: Errors, owners: NonNullable<ObjectMeta['ownerReferences']>): void {
  for (const [at, owner] of owners.entries()) {
    const path = `metadata.ownerReferences[${at}]`;
    if (!owner.apiVersion) invalid(errors, `${path}.apiVersion`, '', 'version must not be empty');
    for (const field of ['kind', 'name', 'uid'] as const) {
      if (!owner[field]) invalid(errors, `${path}.${field}`, '', 'must not be empty');
    }
  }
  const [first, second] = owners.filter(({ controller }) => controller === true);
  if (first === undefined || second === undefined) return;
  invalid(errors, 'metadata.ownerReferences', owners, 'Only one reference can have Controller set to true. '
    + `Found "true" in references for ${first.kind}/${first.name} and ${second.kind}/${second.name}`);
}

/** Of a custom kind, a finalizer needs no domain. */
function validateFinalizers(
  errors: Errors, finalizers: readonly string[], old: KubeObject | null, isCustom: boolean,
): void {
  for (const [at, finalizer] of finalizers.entries()) {
    const path = `metadata.finalizers[${at}]`, wrong = labelKeyError(finalizer);
    if (finalizer === '') required(errors, path);
    else if (wrong !== null) invalid(errors, path, finalizer, wrong);
    else if (!isCustom && !finalizer.includes('/') && !standardFinalizers.includes(finalizer)) {
      invalid(errors, path, finalizer, 'name is neither a standard finalizer name nor is it fully qualified');
    }
  }
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    invalid(errors, 'metadata.finalizers', finalizers,
      'finalizer orphan and foregroundDeletion cannot be both set');
  }
  if (old?.metadata.deletionTimestamp === undefined) return;
  const added = finalizers.filter((each) => old.metadata.finalizers?.includes(each) !== true);
  if (added.length === 0) return;
  forbidden(errors, 'metadata.finalizers', 'no new finalizers can be added if the object is being deleted, '
    + `found new finalizers []string{${added.map((each) => JSON.stringify(each)).join(', ')}}`);
}

/** The metadata of a decoded object; the schema has seen to its types. */
export const metadataOf = (value: JsonObject): Partial<ObjectMeta> =>
  (value['metadata'] ?? {}) as unknown as Partial<ObjectMeta>;

const ownFields = [
  'name', 'generateName', 'namespace', 'labels', 'annotations', 'finalizers', 'ownerReferences',
] as const;

/** What a client may say of a new object's metadata; the rest is the API's. */
export function clientMetadata(given: Partial<ObjectMeta>): Partial<ObjectMeta> {
  const kept = ownFields.map((field) => [field, given[field]] as const);
  return Object.fromEntries(kept.filter(([, value]) => value !== undefined && value !== ''));
}

/** The metadata of an update: what the client may change from it, all else from the stored object. */
export function updatedMetadata(given: Partial<ObjectMeta>, old: ObjectMeta): ObjectMeta {
  const { labels: _l, annotations: _a, finalizers: _f, ownerReferences: _o, ...kept } = old;
  const { labels, annotations, finalizers, ownerReferences } = clientMetadata(given);
  return {
    ...kept, ...labels === undefined ? {} : { labels }, ...annotations === undefined ? {} : { annotations },
    ...finalizers === undefined ? {} : { finalizers },
    ...ownerReferences === undefined ? {} : { ownerReferences },
  };
}

/** The object without metadata.managedFields. */
export function withoutOwners(object: KubeObject): KubeObject {
  const { managedFields, ...metadata } = object.metadata;
  return managedFields === undefined ? object : { ...object, metadata };
}

/** Raised by one where anything but metadata and status changed, or the deletion began. */
export function withGeneration<T extends KubeObject>(object: T, old: KubeObject, resource: Resource): T {
  if (!resource.hasGeneration) return object;
  const before = old.metadata.deletionTimestamp, now = object.metadata.deletionTimestamp;
  const begins = now !== undefined && before === undefined;
  if (!begins && sameJson(desired(object, resource), desired(old, resource))) return object;
  return { ...object, metadata: { ...object.metadata, generation: (old.metadata.generation ?? 0) + 1 } };
}

/** A status that has no writer of its own counts as any other field. */
function desired(object: KubeObject, { subresources, custom }: Resource): unknown {
  const { metadata: _m, status, ...rest } = object as KubeObject & { status?: unknown };
  return custom !== true || subresources.includes('status') ? rest : { ...rest, status };
}

/** A name out of `generateName`: cut so that the suffix fits. */
export function generatedName(prefix: string, suffix: string): string {
  return `${prefix.slice(0, limits.generatedNameMax - suffix.length)}${suffix}`;
}
