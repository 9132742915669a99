// How an object goes: at once, or marked first, until its grace is over and its finalizers are served. One
// rule for what clients ask and for what the controllers and the kubelet do.
//
// What always holds: what is marked stays marked, and its grace can only get shorter; deleting again what is
// on its way out as it should be is no operation at all.
// Source: apiserver registry/rest (BeforeDelete), registry/generic/registry/store.go; core/pod strategy.

import type { ResourceName } from '../ids.ts';
import type { Op } from '../state/types.ts';
import { deleteOp, updateOp } from './objects.ts';
import { resourceByKind } from './resources/index.ts';
import { parseTime, rfc3339 } from './time.ts';
import type { KubeObject, Namespace } from './types.ts';

export const foregroundFinalizer = 'foregroundDeletion';
export const orphanFinalizer = 'orphan';

/** What becomes of the dependents: they go after the object, before it, or stay. */
export type Propagation = 'Background' | 'Foreground' | 'Orphan';

export interface Deletion {
  readonly nowWallMs: number;
  /** In place of the grace that the object asks for itself; of pods only. */
  readonly graceSeconds?: number | null;
  /** Null: as the object's own finalizers have it. */
  readonly propagation?: Propagation | null;
}

/** The operation that deletes the object or marks it; null where it is on its way out as it should be. */
export function deletion<T extends KubeObject>(resource: ResourceName, object: T, how: Deletion): Op | null {
  const { metadata } = object, begun = metadata.deletionTimestamp !== undefined;
  const kind = resourceByKind(object.apiVersion, object.kind), own = kind?.graceSeconds?.(object) ?? 0;
  const leaving = begun ? object : (kind?.prepareDelete?.(object, how.nowWallMs) ?? object) as T;
  const known = leaving.metadata.finalizers ?? [], pending = metadata.deletionGracePeriodSeconds ?? 0;
  // What needs no time gets none; who asks again without a number of its own does not change it.
  const grace = own === 0 ? 0 : how.graceSeconds ?? (begun ? pending : own);
  // While its grace runs, no one changes any more how the dependents go.
  const finalizers = begun && pending > 0 ? known : finalizersAfter(known, how.propagation ?? null);
  if (grace === 0 && finalizers.length === 0 && !isHeldBySpec(object)) return deleteOp(resource, object);
  const shorter = !begun || grace < pending;
  const same = finalizers.length === known.length && finalizers.every((name) => known.includes(name));
  if (!shorter && same) return null;
  return updateOp(resource, object, marked(leaving, shorter ? grace : pending, finalizers, how.nowWallMs));
}

function finalizersAfter(known: readonly string[], propagation: Propagation | null): readonly string[] {
  if (propagation === null) return known;
  const kept = known.filter((each) => each !== foregroundFinalizer && each !== orphanFinalizer);
  switch (propagation) {
    case 'Background': return kept;
    case 'Foreground': return [...kept, foregroundFinalizer];
    case 'Orphan': return [...kept, orphanFinalizer];
  }
}

const namespaceOf = (object: KubeObject): Namespace | null =>
  object.kind === 'Namespace' && object.apiVersion === 'v1' ? object : null;

/** A namespace is kept by what it has in `spec.finalizers`, until it is empty. */
const isHeldBySpec = (object: KubeObject): boolean =>
  (namespaceOf(object)?.spec?.finalizers ?? []).length > 0;

function marked<T extends KubeObject>(
  object: T, graceSeconds: number, finalizers: readonly string[], nowWallMs: number,
): T {
  const { finalizers: _, deletionTimestamp, deletionGracePeriodSeconds = 0, ...rest } = object.metadata;
  const begunMs = (parseTime(deletionTimestamp) ?? nowWallMs)
    - (deletionTimestamp === undefined ? 0 : deletionGracePeriodSeconds * 1000);
  const next = deletionTimestamp === undefined && rest.generation !== undefined
    ? { generation: rest.generation + 1 } : {};
  const metadata = {
    ...rest, ...next, ...finalizers.length === 0 ? {} : { finalizers },
    deletionTimestamp: rfc3339(begunMs + graceSeconds * 1000), deletionGracePeriodSeconds: graceSeconds,
  };
  const namespace = namespaceOf(object);
  // A namespace says that it goes.
  const status = namespace === null ? {} : { status: { ...namespace.status, phase: 'Terminating' } };
  return { ...object, metadata, ...status };
}

/**
 * Takes one finalizer away; the object goes with its last one, if it is being deleted and its grace is over.
 */
export function withoutFinalizer<T extends KubeObject>(
  resource: ResourceName, object: T, finalizer: string,
): Op | null {
  const { finalizers = [], ...metadata } = object.metadata;
  if (!finalizers.includes(finalizer)) return null;
  const rest = finalizers.filter((name) => name !== finalizer);
  const over = metadata.deletionTimestamp !== undefined && (metadata.deletionGracePeriodSeconds ?? 0) === 0;
  if (rest.length === 0 && over && !isHeldBySpec(object)) return deleteOp(resource, object);
  return updateOp(resource, object, {
    ...object,
    metadata: rest.length === 0 ? metadata : { ...metadata, finalizers: rest },
  });
}
