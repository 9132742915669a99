// Oracles of who belongs to whom: a controller deletes only what it owns, or what nobody owns any more, and
// adopts only what nobody controls. Owners are told by uid: a namesake owns nothing. Judged from the
// committed history, and from the Events in which a controller says what it has done.

import { controllerOf, resources } from '../../cluster/api/objects.ts';
import type { KubeEvent, Node, Pod } from '../../cluster/api/types.ts';
import { resourceByKind } from '../../cluster/api/resources/index.ts';
import { objectKey, resourceName, splitKey } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { get } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Change, Command } from '../../cluster/state/types.ts';
import type { History } from './history.ts';
import type { Report } from './oracle.ts';

export interface OwnershipOracle {
  /** What a command of the leader's actors did; `state` is that after it. */
  applied(state: State, command: Command, changes: readonly Change[]): void;
}

/** Kinds that the leader's actors remove by age or with their member, and not by ownership. */
const aged: readonly string[] = [resources.events, resources.nodes, resources.namespaces];

export function createOwnershipOracle(
  report: Report, history: Pick<History, 'lastVersion' | 'keyOfUid'>,
): OwnershipOracle {
  /** Nodes, and the last revision before which they had a taint that pods may not bear. */
  const tainted = new Map<string, number>();

  /** Why this object may go; null: for no reason that can be seen. */
  function reasonFor(state: State, { key, object, previous }: Change): string | null {
    const { resource, namespace, name } = splitKey(key);
    const before = previous ?? object;
    if (before.metadata.deletionTimestamp !== undefined) return 'it was to go';
    if (aged.includes(resource)) return 'by age';
    const owners = before.metadata.ownerReferences ?? [];
    if (owners.length > 0) return 'its owner decides, or is gone';
    const home = get(state, objectKey(resources.namespaces, '', namespace));
    if (namespace !== '' && (home === null || home.metadata.deletionTimestamp !== undefined)) {
      return 'its namespace goes';
    }
    if (resource === resources.endpoints) {
      const service = get(state, objectKey(resources.services, namespace, name));
      return service === null ? 'its Service is gone' : null;
    }
    if (resource !== resources.pods) return null;
    // However long the deletion was on its way: it is of this version of the pod, so it was decided later.
    const until = tainted.get((before as Pod).spec.nodeName ?? '') ?? 0;
    if (until > Number(before.metadata.resourceVersion)) return 'its node was tainted when that was decided';
    return reasonForPod(state, before as Pod);
  }

  function checkAdoption({ key, object, previous, revision }: Change): void {
    const before = previous === null ? null : controllerOf(previous), now = controllerOf(object);
    if (now === null || previous === null || now.uid === before?.uid) return;
    if (before !== null) {
      report('adopts-orphans-only',
        `${key} at ${revision} goes from ${before.kind} ${before.uid} to ${now.kind} ${now.uid}`);
    }
    // It may have gone since it was looked at, but it must have been there.
    const owner = ownerKey(now.apiVersion, now.kind, splitKey(key).namespace, now.name);
    if (owner !== null && history.keyOfUid(now.uid) !== owner) {
      report('adopts-orphans-only', `${key} at ${revision} is adopted by ${now.kind} ${now.name} `
        + `${now.uid}, which never was`);
    }
  }

  /** `Deleted pod: web-1` of a ReplicaSet. */
  function checkWord({ object, revision }: Change): void {
    const { reason = '', message = '', involvedObject: by } = object as KubeEvent;
    const [, kind, name] = /^(?:Deleted|Created) (pod): (\S+)$/.exec(message) ?? [];
    if (kind === undefined || name === undefined || !reason.startsWith('Successful')) return;
    const pod = history.lastVersion(objectKey(resources.pods, by.namespace ?? '', name), revision);
    const owner = pod === null ? null : controllerOf(pod);
    if (pod === null || owner?.uid === by.uid) return;
    report('no-foreign-deletion', `${by.kind} ${by.name} ${by.uid} says "${message}", but that pod's `
      + `controller is ${owner === null ? 'nobody' : `${owner.kind} ${owner.uid}`}`);
  }

  return {
    applied(state, { fence }, changes) {
      for (const { key, previous, revision } of changes) {
        const { resource, name } = splitKey(key);
        if (resource === resources.nodes && isTainted(previous as Node | null)) tainted.set(name, revision);
      }
      if (fence === undefined) return;
      for (const change of changes) {
        const { type, key, object, previous, revision } = change, { resource } = splitKey(key);
        if (resource === resources.events) {
          if (type === 'ADDED') checkWord(change);
          continue;
        }
        const goes = type === 'DELETED' || (previous !== null
          && object.metadata.deletionTimestamp !== undefined
          && previous.metadata.deletionTimestamp === undefined);
        if (goes && reasonFor(state, change) === null) {
          report('no-foreign-deletion',
            `a controller deletes ${key} at ${revision}, which it does not own`);
        }
        if (type === 'MODIFIED') checkAdoption(change);
      }
    },
  };
}

/** Its node is gone, or has a taint that it may not bear, or it is over. */
function reasonForPod(state: State, { spec, status }: Pod): string | null {
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return 'it is over';
  const node = get<Node>(state, objectKey(resources.nodes, '', spec.nodeName ?? ''));
  if (node === null) return 'its node is gone';
  return isTainted(node) ? 'its node is tainted' : null;
}

const isTainted = (node: Node | null): boolean =>
  (node?.spec?.taints ?? []).some(({ effect }) => effect === 'NoExecute');

function ownerKey(apiVersion: string, kind: string, namespace: string, name: string): ObjectKey | null {
  const resource = resourceByKind(apiVersion, kind);
  if (resource === null) return null;
  const group = resource.group === '' ? 'core' : resource.group;
  return objectKey(resourceName(`${group}/${resource.resource}`), resource.namespaced ? namespace : '', name);
}
