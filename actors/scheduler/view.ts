// The scheduler's picture of the nodes: what they offer, what is taken, by whom. Kept up change by change,
// for a thousand nodes are too many to count anew for every pod.
//
// Taken is what every placed pod that is not over asks for: pods that are on their way out, and pods that
// were assumed: bound by a command that is still under way. What always holds: without assumed pods the
// view equals one that is built from the state; a pod is counted on one node at most.

import { cpuMilli, memoryBytes, quantityValue } from '../../cluster/api/quantity.ts';
import { keyOf, resources } from '../../cluster/api/objects.ts';
import { controllerOf } from '../../cluster/api/objects.ts';
import type { Node, Pod, Taint } from '../../cluster/api/types.ts';
import { splitKey } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { list } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Change } from '../../cluster/state/types.ts';
import { canonicalText } from '../../cluster/canonical.ts';
import { conditionOf, isEnded } from '../controllers/pod-state.ts';
import { anyAddress, othersOf, requestOf } from './requests.ts';
import type { HostPort, PodRequest } from './requests.ts';

export interface NodeView {
  readonly name: string;
  node: Node;
  ready: boolean;
  /** NoSchedule and NoExecute; the others only lower the score. */
  taints: readonly Taint[];
  softTaints: readonly Taint[];
  allocatable: { readonly cpuMilli: number; readonly memoryBytes: number; readonly pods: number;
    readonly others: ReadonlyMap<string, number> };
  readonly used: { cpuMilli: number; memoryBytes: number; pods: number; scoredCpuMilli: number;
    scoredMemoryBytes: number; readonly others: Map<string, number> };
  /** By protocol and port: how many pods hold it, by address. */
  readonly hostPorts: Map<string, Map<string, number>>;
  /** Pods by the uid of their controller. */
  readonly owners: Map<string, number>;
}

interface Placed {
  readonly uid: string; readonly node: string; readonly request: PodRequest; readonly owner: string | null;
  assumed: boolean;
}

export interface ClusterView {
  readonly nodes: Map<string, NodeView>;
  /** Sorted by name; the order in which nodes are looked at. */
  ordered: NodeView[];
  readonly pods: Map<ObjectKey, Placed>;
  /** Also of nodes that are not there (yet). */
  readonly podsByNode: Map<string, Set<ObjectKey>>;
}

export function createView(state: State): ClusterView {
  const view: ClusterView = { nodes: new Map(), ordered: [], pods: new Map(), podsByNode: new Map() };
  for (const pod of list<Pod>(state, resources.pods)) seePod(view, keyOf(resources.pods, pod), pod);
  for (const node of list<Node>(state, resources.nodes)) seeNode(view, node);
  return view;
}

/** Takes in one applied change. */
export function updateView(view: ClusterView, { type, key, object }: Change): void {
  const { resource } = splitKey(key);
  if (resource === resources.nodes) {
    if (type === 'DELETED') dropNode(view, object.metadata.name);
    else seeNode(view, object as Node);
  } else if (resource === resources.pods) {
    if (type === 'DELETED') removePod(view, key);
    else seePod(view, key, object as Pod);
  }
}

/** Counts a pod on a node before the state shows it there. */
export function assumePod(view: ClusterView, key: ObjectKey, pod: Pod, node: string): void {
  addPod(view, key, placedOf(pod, node, true));
}

/** Takes an assumed pod back; one that the state shows stays. */
export function forgetPod(view: ClusterView, key: ObjectKey): void {
  if (view.pods.get(key)?.assumed === true) removePod(view, key);
}

/** Everything that the view counts, as one text, for comparing views. */
export function viewText(view: ClusterView): string {
  const maps = (map: ReadonlyMap<string, unknown>): unknown => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return canonicalText(view.ordered.map((one) => ({
    name: one.name, ready: one.ready, taints: one.taints, soft: one.softTaints, allocatable: {
      ...one.allocatable, others: maps(one.allocatable.others),
    },
    used: { ...one.used, others: maps(one.used.others) }, owners: maps(one.owners),
    hostPorts: [...one.hostPorts].map(([port, ips]) => [port, maps(ips)]).sort(),
  })));
}

// ── nodes ────────────────────────────────────────────────────────────────────────────────────────────────

function seeNode(view: ClusterView, node: Node): void {
  const { name } = node.metadata;
  const known = view.nodes.get(name);
  if (known !== undefined) {
    Object.assign(known, factsOf(node));
    return;
  }
  const fresh: NodeView = {
    name,
    ...factsOf(node),
    hostPorts: new Map(),
    owners: new Map(),
    used: {
      cpuMilli: 0,
      memoryBytes: 0,
      pods: 0,
      scoredCpuMilli: 0,
      scoredMemoryBytes: 0,
      others: new Map(),
    },
  };
  view.nodes.set(name, fresh);
  view.ordered = [...view.nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const key of view.podsByNode.get(name) ?? []) {
    const placed = view.pods.get(key);
    if (placed !== undefined) count(fresh, placed, 1);
  }
}

function factsOf(node: Node): Pick<NodeView, 'node' | 'ready' | 'taints' | 'softTaints' | 'allocatable'> {
  const taints = node.spec?.taints ?? [];
  const list = node.status?.allocatable ?? node.status?.capacity;
  return {
    node,
    ready: conditionOf(node.status?.conditions, 'Ready')?.status === 'True',
    taints: taints.filter(({ effect }) => effect !== 'PreferNoSchedule'),
    softTaints: taints.filter(({ effect }) => effect === 'PreferNoSchedule'),
    allocatable: {
      cpuMilli: cpuMilli(list),
      memoryBytes: memoryBytes(list),
      pods: quantityValue(String(list?.['pods'] ?? limits.podsPerNodeMax)) ?? 0,
      others: new Map(othersOf(list)),
    },
  };
}

function dropNode(view: ClusterView, name: string): void {
  view.nodes.delete(name);
  view.ordered = view.ordered.filter((one) => one.name !== name);
}

// ── pods ─────────────────────────────────────────────────────────────────────────────────────────────────

function placedOf(pod: Pod, node: string, assumed: boolean): Placed {
  return {
    uid: pod.metadata.uid,
    node,
    request: requestOf(pod),
    owner: controllerOf(pod)?.uid ?? null,
    assumed,
  };
}

function seePod(view: ClusterView, key: ObjectKey, pod: Pod): void {
  const known = view.pods.get(key);
  const node = pod.spec.nodeName ?? '';
  if (node === '') {
    // A binding of it may be under way; but not of a namesake that came later, nor of one that is to go.
    const open = known?.assumed === true && known.uid === pod.metadata.uid;
    if (!open || pod.metadata.deletionTimestamp !== undefined) removePod(view, key);
    return;
  }
  if (isEnded(pod)) {
    if (known !== undefined) removePod(view, key);
    return;
  }
  if (known?.uid === pod.metadata.uid && known.node === node && !known.assumed) return;
  addPod(view, key, placedOf(pod, node, false));
}

function addPod(view: ClusterView, key: ObjectKey, placed: Placed): void {
  removePod(view, key);
  view.pods.set(key, placed);
  const there = view.podsByNode.get(placed.node) ?? new Set();
  view.podsByNode.set(placed.node, there.add(key));
  const node = view.nodes.get(placed.node);
  if (node !== undefined) count(node, placed, 1);
}

function removePod(view: ClusterView, key: ObjectKey): void {
  const placed = view.pods.get(key);
  if (placed === undefined) return;
  view.pods.delete(key);
  const there = view.podsByNode.get(placed.node);
  there?.delete(key);
  if (there?.size === 0) view.podsByNode.delete(placed.node);
  const node = view.nodes.get(placed.node);
  if (node !== undefined) count(node, placed, -1);
}

function count(node: NodeView, { request, owner }: Placed, sign: 1 | -1): void {
  const { used } = node;
  used.pods += sign;
  used.cpuMilli += sign * request.cpuMilli;
  used.memoryBytes += sign * request.memoryBytes;
  used.scoredCpuMilli += sign * request.scoredCpuMilli;
  used.scoredMemoryBytes += sign * request.scoredMemoryBytes;
  for (const [name, milli] of request.others) tally(used.others, name, sign * milli);
  if (owner !== null) tally(node.owners, owner, sign);
  for (const { protocolPort, ip } of request.hostPorts) {
    const ips = node.hostPorts.get(protocolPort) ?? new Map<string, number>();
    node.hostPorts.set(protocolPort, ips);
    tally(ips, ip, sign);
    if (ips.size === 0) node.hostPorts.delete(protocolPort);
  }
}

function tally(map: Map<string, number>, name: string, by: number): void {
  const n = (map.get(name) ?? 0) + by;
  if (n === 0) map.delete(name);
  else map.set(name, n);
}

/** Whether a pod that is placed there holds this port on an address that overlaps. */
export function isPortTaken(node: NodeView, { protocolPort, ip }: HostPort): boolean {
  const ips = node.hostPorts.get(protocolPort);
  if (ips === undefined) return false;
  return ip === anyAddress || ips.has(anyAddress) || ips.has(ip);
}
