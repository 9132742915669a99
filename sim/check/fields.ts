// The oracle of DESIGN.md's "one writer per field": spec by the API, placement by the scheduler, status by
// the node that runs the pod, or by the controllers. Judged from the committed history: each change says what
// it changed, its command who made it: a fence means the leader's actors, none means a peer for itself or for
// a client.

import { resources } from '../../cluster/api/objects.ts';
import type { KubeObject, Node, Pod } from '../../cluster/api/types.ts';
import { sameContent } from '../../cluster/canonical.ts';
import { splitKey } from '../../cluster/ids.ts';
import type { PeerId, ResourceName } from '../../cluster/ids.ts';
import type { Change, Command } from '../../cluster/state/types.ts';
import type { Report } from './oracle.ts';

export interface FieldsOracle {
  applied(command: Command, changes: readonly Change[]): void;
}

interface Changed { readonly spec: boolean; readonly status: boolean }
interface Parts { readonly spec?: unknown; readonly status?: unknown }

/** Kinds whose status is counted by a controller, and nobody else. */
const counted: readonly ResourceName[] = [resources.deployments, resources.replicaSets];

export function createFieldsOracle(report: Report, nameOf: (peer: PeerId) => string): FieldsOracle {
  function checkPod(command: Command, change: Change, { spec, status }: Changed): void {
    const { key, revision, object, previous } = change;
    const pod = object as Pod, before = previous as Pod, binds = (before.spec.nodeName ?? '') === ''
      && (pod.spec.nodeName ?? '') !== '';
    const fenced = command.fence !== undefined, node = pod.spec.nodeName ?? '';
    if (spec && status && !binds) {
      return tell(key, revision, 'spec and status at once');
    }
    if (spec && fenced && !binds) return tell(key, revision, 'the spec of a pod by a controller');
    if (!status || fenced) return;
    const writer = nameOf(command.id.origin);
    if (writer !== node) {
      tell(key, revision, `the status of a pod that is on ${node === '' ? 'no node' : node} by ${writer}`);
    }
  }

  function checkNode(command: Command, { key, revision, object }: Change, { spec, status }: Changed): void {
    if (command.fence !== undefined) return;
    const writer = nameOf(command.id.origin), { name } = (object as Node).metadata;
    if (spec && status) return tell(key, revision, 'spec and status at once');
    if (status && writer !== name) tell(key, revision, `the status of node ${name} by ${writer}`);
  }

  function checkCounted(command: Command, { key, revision }: Change, { spec, status }: Changed): void {
    if (spec && status) return tell(key, revision, 'spec and status at once');
    if (status && command.fence === undefined) tell(key, revision, 'a status that a controller counts');
  }

  function tell(key: string, revision: number, what: string): void {
    report('one-writer-per-field', `${key} at ${revision}: ${what}`);
  }

  return {
    applied(command, changes) {
      for (const change of changes) {
        const { type, object, previous } = change;
        if (type !== 'MODIFIED' || previous === null) continue;
        const { resource } = splitKey(change.key);
        const isPod = resource === resources.pods, isNode = resource === resources.nodes;
        if (!isPod && !isNode && !counted.includes(resource)) continue;
        const changed = changedIn(previous, object);
        if (isPod) checkPod(command, change, changed);
        else if (isNode) checkNode(command, change, changed);
        else checkCounted(command, change, changed);
      }
    },
  };
}

/** Parts that are the very same object need no look. */
function changedIn(before: KubeObject & Parts, now: KubeObject & Parts): Changed {
  const differs = (a: unknown, b: unknown): boolean => a !== b && !sameContent(a ?? {}, b ?? {});
  return { spec: differs(before.spec, now.spec), status: differs(before.status, now.status) };
}
