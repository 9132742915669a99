// Why a command changes nothing, in Kubernetes' words.
// Source: apimachinery api/errors; apiserver registry/rest and registry/generic/registry/store.go.

import { splitKey } from '../ids.ts';
import type { ObjectKey } from '../ids.ts';
import type { KubeObject } from '../api/types.ts';
import type { Expectation, Refusal } from './types.ts';

export function notFound(key: ObjectKey): Refusal {
  return { reason: 'NotFound', key, message: `${nameOf(key)} not found` };
}

export function alreadyExists(key: ObjectKey): Refusal {
  return { reason: 'AlreadyExists', key, message: `${nameOf(key)} already exists` };
}

export function namespaceTerminating(key: ObjectKey, namespace: string): Refusal {
  const message = `${nameOf(key)} is forbidden: unable to create new content in namespace ${namespace} `
    + 'because it is being terminated';
  return { reason: 'Forbidden', key, message };
}

export function definitionTerminating(key: ObjectKey): Refusal {
  const message = `${nameOf(key)} is forbidden: create not allowed while custom resource definition is `
    + 'terminating';
  return { reason: 'Forbidden', key, message };
}

/** `message` is that of the field alone, as in `details.causes`. */
export function invalid(key: ObjectKey, field: string, message: string): Refusal {
  return { reason: 'Invalid', key, field, message };
}

/** Conflict, unless `current` is what was expected. */
export function unexpected(key: ObjectKey, current: KubeObject, expect: Expectation): Refusal | null {
  if (expect.uid !== undefined && expect.uid !== current.metadata.uid) {
    return conflict(key, `Precondition failed: UID in precondition: ${expect.uid}, `
      + `UID in object meta: ${current.metadata.uid}`);
  }
  if (expect.revision !== undefined && String(expect.revision) !== current.metadata.resourceVersion) {
    return conflict(key, 'the object has been modified; please apply your changes to the latest version '
      + 'and try again');
  }
  return null;
}

function conflict(key: ObjectKey, why: string): Refusal {
  return { reason: 'Conflict', key, message: `Operation cannot be fulfilled on ${nameOf(key)}: ${why}` };
}

/** By what a refusal lacks: an Event, which is an object, has a `reason` too. */
export function isRefused(result: KubeObject | Refusal): result is Refusal {
  return !('metadata' in result);
}

/** `pods "x"`, `deployments.apps "x"`: as Kubernetes names an object in its messages. */
export function nameOf(key: ObjectKey): string {
  const { resource, name } = splitKey(key);
  const cut = resource.indexOf('/'), group = resource.slice(0, cut), plural = resource.slice(cut + 1);
  return `${group === 'core' ? plural : `${plural}.${group}`} "${name}"`;
}
