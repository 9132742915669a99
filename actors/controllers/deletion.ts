// Deleting an object the way the API does it: with grace for a pod that runs somewhere, by a mark where a
// finalizer has to be served first, at once otherwise.
// Source: apiserver's registry/generic store (BeforeDelete) and the Pod strategy's CheckGracefulDelete.
// What always holds: deleting again what is on its way out changes nothing, unless the grace gets shorter.

import { deleteOp, resources, updateOp } from '../../cluster/api/objects.ts';
import { rfc3339 } from '../../cluster/api/time.ts';
import { pod as podResource } from '../../cluster/api/resources/pod.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import type { ResourceName } from '../../cluster/ids.ts';
import type { Op } from '../../cluster/state/types.ts';

export const foregroundFinalizer = 'foregroundDeletion';
export const orphanFinalizer = 'orphan';

export interface Deletion {
  readonly nowWallMs: number;
  /** Pods: overrides the grace of the spec. */
  readonly graceSeconds?: number;
  /** Dependents go first. */
  readonly foreground?: boolean;
}

/** The operation that deletes `object`; null where it is on its way out as it should be. */
export function deletion<T extends KubeObject>(resource: ResourceName, object: T, how: Deletion): Op | null {
  const { metadata } = object;
  const graceSeconds = graceOf(resource, object, how.graceSeconds);
  const known = metadata.finalizers ?? [];
  const finalizers = how.foreground === true && !known.includes(foregroundFinalizer)
    ? [...known, foregroundFinalizer] : known;
  if (metadata.deletionTimestamp !== undefined) {
    const shorter = graceSeconds < (metadata.deletionGracePeriodSeconds ?? 0);
    if (!shorter && finalizers.length === known.length) return null;
  }
  if (graceSeconds === 0 && finalizers.length === 0) return deleteOp(resource, object);
  return updateOp(resource, object, marked(object, graceSeconds, finalizers, how.nowWallMs));
}

function graceOf(resource: ResourceName, object: KubeObject, asked: number | undefined): number {
  if (resource !== resources.pods) return 0;
  const own = podResource.graceSeconds?.(object) ?? 0;
  return own === 0 ? 0 : asked ?? own;
}

function marked<T extends KubeObject>(
  object: T,
  graceSeconds: number,
  finalizers: readonly string[],
  nowWallMs: number,
): T {
  const { finalizers: _, ...metadata } = object.metadata;
  const generation = metadata.generation === undefined ? {} : { generation: metadata.generation + 1 };
  return {
    ...object,
    metadata: {
      ...metadata,
      ...generation,
      ...(finalizers.length === 0 ? {} : { finalizers }),
      deletionTimestamp: rfc3339(nowWallMs + graceSeconds * 1000),
      deletionGracePeriodSeconds: graceSeconds,
    },
  };
}

/**
 * Takes one finalizer away; the object goes with its last one, if it is being deleted and its grace is
 * over.
 */
export function withoutFinalizer<T extends KubeObject>(
  resource: ResourceName,
  object: T,
  finalizer: string,
): Op | null {
  const { finalizers = [], ...metadata } = object.metadata;
  if (!finalizers.includes(finalizer)) return null;
  const rest = finalizers.filter((name) => name !== finalizer);
  const over = metadata.deletionTimestamp !== undefined && (metadata.deletionGracePeriodSeconds ?? 0) === 0;
  if (rest.length === 0 && over) return deleteOp(resource, object);
  return updateOp(resource, object, {
    ...object,
    metadata: rest.length === 0 ? metadata : { ...metadata, finalizers: rest },
  });
}
