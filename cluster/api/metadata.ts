// The metadata of an object as a client may write it: names, labels, owners; and what the API itself keeps.

import { limits } from '../limits.ts';
import { nameError } from './names.ts';
import type { Resource } from './resource.ts';
import { validateAnnotations, validateLabels } from './resources/names.ts';
import { forbidden, invalid, required, sameJson } from './resources/validate.ts';
import type { Errors } from './resources/validate.ts';
import type { KubeObject, ObjectMeta, StatusCause } from './types.ts';

/** Field errors of the metadata; `old` null on create. */
export function validateMetadata(object: KubeObject, old: KubeObject | null, resource: Resource): readonly StatusCause[] {
  const errors: Errors = [], { metadata } = object;
  if (old === null) {
    const wrong = nameError(metadata.name, resource.nameRule ?? 'subdomain');
    if (wrong !== null) invalid(errors, 'metadata.name', metadata.name, wrong);
  }
  validateLabels(errors, 'metadata.labels', metadata.labels);
  validateAnnotations(errors, 'metadata.annotations', metadata.annotations);
  metadata.ownerReferences?.forEach((owner, at) => {
    for (const field of ['apiVersion', 'kind', 'name', 'uid'] as const) {
      if (!owner[field]) required(errors, `metadata.ownerReferences[${at}].${field}`, `must not be empty`);
    }
  });
  if ((metadata.ownerReferences?.filter((owner) => owner.controller === true).length ?? 0) > 1) {
    invalid(errors, 'metadata.ownerReferences', metadata.ownerReferences, 'Only one reference can have Controller set to true');
  }
  metadata.finalizers?.forEach((finalizer, at) => {
    if (!/^([a-z0-9.-]+\/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(finalizer)) {
      invalid(errors, `metadata.finalizers[${at}]`, finalizer, 'name is not a valid finalizer name');
    }
  });
  if (old?.metadata.deletionTimestamp !== undefined) {
    const added = (metadata.finalizers ?? []).filter((each) => !(old.metadata.finalizers ?? []).includes(each));
    if (added.length > 0) {
      forbidden(errors, 'metadata.finalizers', `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`);
    }
  }
  return errors;
}

/** What a client may say of a new object's metadata; the rest is the API's. */
export function clientMetadata(given: Partial<ObjectMeta>): Partial<ObjectMeta> {
  const { name, generateName, namespace, labels, annotations, finalizers, ownerReferences } = given;
  const kept = { name, generateName, namespace, labels, annotations, finalizers, ownerReferences };
  return Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined && value !== null && value !== ''
    && !(typeof value === 'object' && Object.keys(value).length === 0))) as Partial<ObjectMeta>;
}

/** The metadata of an update: what the client may change from it, all else from the stored object. */
export function updatedMetadata(given: Partial<ObjectMeta>, old: ObjectMeta): ObjectMeta {
  const { labels: _l, annotations: _a, finalizers: _f, ownerReferences: _o, ...kept } = old;
  const { labels, annotations, finalizers, ownerReferences } = clientMetadata(given);
  return {
    ...kept, ...labels === undefined ? {} : { labels }, ...annotations === undefined ? {} : { annotations },
    ...finalizers === undefined ? {} : { finalizers }, ...ownerReferences === undefined ? {} : { ownerReferences },
  };
}

/** Raised by one where anything but metadata and status changed. */
export function withGeneration(object: KubeObject, old: KubeObject, resource: Resource): KubeObject {
  if (!resource.hasGeneration) return object;
  const deleted = object.metadata.deletionTimestamp !== undefined && old.metadata.deletionTimestamp === undefined;
  if (!deleted && sameJson(desired(object), desired(old))) return object;
  return { ...object, metadata: { ...object.metadata, generation: (old.metadata.generation ?? 0) + 1 } };
}

function desired(object: KubeObject): unknown {
  const { metadata: _m, status: _s, ...rest } = object as KubeObject & { status?: unknown };
  return rest;
}

/** A name out of `generateName`: cut so that the suffix fits. */
export function generatedName(prefix: string, suffix: string): string {
  return `${prefix.slice(0, limits.generatedNameMax - suffix.length)}${suffix}`;
}
