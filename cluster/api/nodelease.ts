// The Leases of nodes, in kube-node-lease: read here from what gossip says, written by nobody.
//
// In Kubernetes each kubelet renews its Lease every ten seconds, as a cheaper sign of life than its Node.
// Here beats are that sign, they spread by gossip, and the log hears of none: a thousand nodes would write a
// hundred times a second to say what everybody knows. So a Lease is a view of its Node and of the last beat
// that this peer has heard of it: kubectl describe node and monitoring find what they look for.
//
// What always holds: the same Node gives a Lease of the same uid; what somebody stored under its name is
// shown instead; views are not watched, not written and not deleted, for there is nothing to write to.
// Source: Kubernetes, "Leases: Node heartbeats"; pkg/kubelet (NewNodeLeaseController: 40 seconds, the
// holder's and the Lease's names are the node's, owned by its Node).

import { objectKey } from '../ids.ts';
import { hash32, hashText } from '../random.ts';
import { get, list } from '../state/query.ts';
import { placeOf } from './listing.ts';
import { resources } from './objects.ts';
import type { ApiContext } from './request.ts';
import type { ResourceRoute } from './route.ts';
import { rfc3339 } from './time.ts';
import type { KubeObject, Lease, Node } from './types.ts';
import type { Writing } from './write.ts';

export const nodeLeaseNamespace = 'kube-node-lease';

/** As a kubelet's: how long it may be silent. */
const durationSeconds = 40;

const isOfLeases = ({ resource }: ResourceRoute): boolean =>
  resource.group === 'coordination.k8s.io' && resource.resource === 'leases';

/** The Lease of the node that the path names; null: it names none. */
export function nodeLease({ route, state, context }: Writing): KubeObject | null {
  if (!isOfLeases(route) || route.namespace !== nodeLeaseNamespace) return null;
  const node = get<Node>(state, objectKey(resources.nodes, '', route.name));
  return node === null ? null : leaseOf(node, context);
}

/** What is stored, and the Leases of all nodes where they belong into the list. */
export function withNodeLeases(
  { route, state, context }: Writing, stored: readonly KubeObject[],
): readonly KubeObject[] {
  const { namespace } = route;
  if (!isOfLeases(route) || (namespace !== '' && namespace !== nodeLeaseNamespace)) return stored;
  const taken = new Set(stored.map(placeOf));
  const views = list<Node>(state, resources.nodes).map((node) => leaseOf(node, context))
    .filter((lease) => !taken.has(placeOf(lease)));
  return [...stored, ...views].sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
}

/** Without a time of renewal where this peer has not heard of the node since it started. */
function leaseOf({ metadata }: Node, { beatOf }: ApiContext): Lease {
  const { name, uid, creationTimestamp, resourceVersion = '' } = metadata;
  const peer = metadata.annotations?.['shoal.dev/peer-id'] ?? '', beatMs = beatOf?.(peer) ?? null;
  return {
    apiVersion: 'coordination.k8s.io/v1', kind: 'Lease',
    metadata: {
      name, namespace: nodeLeaseNamespace, uid: uidOf(uid), resourceVersion, creationTimestamp,
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid }],
    },
    spec: {
      holderIdentity: name, leaseDurationSeconds: durationSeconds,
      ...beatMs === null ? {} : { renewTime: microTime(beatMs) },
    },
  };
}

const microTime = (wallMs: number): string => {
  const millis = String(Math.floor(wallMs) % 1000).padStart(3, '0');
  return rfc3339(wallMs).replace('Z', `.${millis}000Z`);
};

/** Of the form of a version 4 UUID, and always the same for the same Node. */
function uidOf(node: string): string {
  const seed = hashText(`lease of ${node}`);
  const hex = [1, 2, 3, 4].map((n) => hash32(seed, n).toString(16).padStart(8, '0')).join('');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`];
  return [...parts, hex.slice(20)].join('-');
}
