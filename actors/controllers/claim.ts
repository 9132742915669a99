// Who belongs to whom: a controller adopts what its selector matches and nobody controls, and lets go of what
// it no longer matches. Source: Kubernetes' ControllerRefManager.
// What always holds: only the owner's uid counts, so a namesake that came later owns nothing; and an owner
// that is being deleted neither adopts nor releases.

import type { ResourceName } from '../../cluster/ids.ts';
import { controllerOf, ownerReference, updateOp } from '../../cluster/api/objects.ts';
import { matchesSelector } from '../../cluster/api/selector.ts';
import type { KubeObject, LabelSelector } from '../../cluster/api/types.ts';
import type { Op } from '../../cluster/state/types.ts';

/** `own`: what is controlled and matches. `ops`: adoptions and releases to be written first. */
export interface Claim<T> { readonly own: readonly T[]; readonly ops: readonly Op[] }

export function claim<T extends KubeObject>(
  owner: KubeObject, selector: LabelSelector, candidates: readonly T[], resource: ResourceName,
): Claim<T> {
  const own: T[] = [], ops: Op[] = [];
  const leaving = owner.metadata.deletionTimestamp !== undefined;
  for (const object of candidates) {
    const controller = controllerOf(object);
    if (controller !== null && controller.uid !== owner.metadata.uid) continue;
    const matches = matchesSelector(selector, object.metadata.labels);
    if (controller !== null && matches) own.push(object);
    else if (leaving || matches === (controller !== null) || object.metadata.deletionTimestamp !== undefined)
      continue;
    else ops.push(updateOp(resource, object, matches ? adopted(object, owner) : released(object, owner)));
  }
  return { own, ops };
}

function adopted<T extends KubeObject>(object: T, owner: KubeObject): T {
  const others = (object.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== owner.metadata.uid);
  return { ...object, metadata: { ...object.metadata, ownerReferences: [...others, ownerReference(owner)] } };
}

function released<T extends KubeObject>(object: T, owner: KubeObject): T {
  const { ownerReferences = [], ...metadata } = object.metadata;
  const others = ownerReferences.filter(({ uid }) => uid !== owner.metadata.uid);
  return { ...object, metadata: others.length === 0 ? metadata : { ...metadata, ownerReferences: others } };
}
