// What "healed" means: everything that is desired is there, everybody agrees on it, and nothing is there that
// nobody wants. A function of the committed state and of what truly runs; the first thing that is missing is
// named. What always holds: it only looks, and is asked now and then, not after every event.

import { resources, serviceNameLabel } from '../../cluster/api/objects.ts';
import type { Deployment, EndpointSlice, Node, Pod, ReplicaSet, Service } from '../../cluster/api/types.ts';
import { matchesSelector } from '../../cluster/api/selector.ts';
import { objectKey, splitKey } from '../../cluster/ids.ts';
import { votersFor } from '../../cluster/log/voters.ts';
import type { Route, SandboxFact } from '../../cluster/ports.ts';
import { everything, get, list } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { LogDescription } from '../../cluster/log/log.ts';
import type { ContainersOracle } from './containers.ts';
import { feasibleNode } from './feasible.ts';
import type { History } from './history.ts';
import type { OracleName } from './oracle.ts';

export interface Unsettled { readonly oracle: OracleName; readonly what: string }

/** What is looked at on a machine. `log` is null while no process runs or it is not caught up yet. */
export interface MachineView {
  readonly name: string;
  readonly log: LogDescription | null;
  readonly applied: number;
  readonly routes: readonly Route[];
  readonly sandboxes: readonly SandboxFact[];
}

export interface ConvergenceView {
  /** Those that are to come to rest. */
  readonly machines: readonly MachineView[];
  /** Machines that are gone for good, by name, and must be taken for lost. */
  readonly lost: readonly string[];
  readonly history: History;
  readonly containers: ContainersOracle;
}

/** Null: everything is as desired. */
export function unsettled(view: ConvergenceView): Unsettled | null {
  const { history: { state } } = view;
  const missing = cluster(view) ?? nodes(view, state) ?? namespaces(view, state)
    ?? workloads(view, state) ?? pods(view, state) ?? services(state) ?? running(view, state)
    ?? routes(view, state);
  if (missing !== null) return { oracle: 'converges', what: missing };
  const waiting = unplaced(state);
  if (waiting !== null) return { oracle: 'feasible-is-bound', what: waiting };
  const orphan = strays(view, state) ?? orphans(view, state);
  return orphan === null ? null : { oracle: 'no-orphans', what: orphan };
}

function cluster({ machines, lost, history }: ConvergenceView): string | null {
  const leaders = machines.filter(({ log }) => log?.role === 'leader');
  const leader = leaders[0]?.log;
  if (leader === undefined || leader === null || leaders.length !== 1) return `${leaders.length} leaders`;
  if (!leader.ready) return 'the leader is not ready';
  if (leader.members.length !== machines.length + lost.length) return `${leader.members.length} members`;
  const voters = votersMissing(machines, lost, leader);
  if (voters !== null) return voters;
  if (leader.lastIndex !== leader.commit) return `entries up to ${leader.lastIndex} are not committed`;
  for (const { name, log, applied } of machines) {
    if (log === null) return `${name} is not caught up`;
    if (log.term !== leader.term && log.role !== 'learner') {
      return `${name} is in term ${log.term}, not ${leader.term}`;
    }
    if (log.leader !== leader.leader) return `${name} follows ${log.leader}`;
    if (applied !== history.applied()) return `${name} has applied ${applied} of ${history.applied()}`;
  }
  return null;
}

/** All that should vote do; a lost voter whose place nobody can take is still one, but most of them live. */
function votersMissing(
  machines: readonly MachineView[], lost: readonly string[], { voters, members }: LogDescription,
): string | null {
  const wanted = votersFor(machines.length + lost.length);
  const dead = members.filter(({ voter, name }) => voter && lost.includes(name)).length;
  if (lost.length === 0) return voters.length === wanted ? null : `${voters.length} voters, not ${wanted}`;
  const alive = voters.length - dead;
  if (alive * 2 <= voters.length) return `only ${alive} of ${voters.length} voters live`;
  const learners = machines.length - alive;
  return dead > 0 && learners > 0 ? `${dead} of ${voters.length} voters are lost, and ${learners} could vote`
    : null;
}

function nodes({ machines, lost }: ConvergenceView, state: State): string | null {
  for (const name of lost) {
    const node = get<Node>(state, objectKey(resources.nodes, '', name));
    const ready = node?.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
    if (node !== null && ready !== 'Unknown') return `node ${name} is lost, and still ready: ${ready}`;
  }
  for (const { name } of machines) {
    const node = get<Node>(state, objectKey(resources.nodes, '', name));
    if (node === null) return `node ${name} is not registered`;
    const ready = node.status?.conditions?.find(({ type }) => type === 'Ready');
    if (ready?.status !== 'True') return `node ${name} is not ready: ${ready?.reason} ${ready?.message}`;
    if (node.spec?.unschedulable === true) return `node ${name} is cordoned`;
    const taint = node.spec?.taints?.[0];
    if (taint !== undefined) return `node ${name} has the taint ${taint.key}`;
  }
  return null;
}

function namespaces(view: ConvergenceView, state: State): string | null {
  // One with a pod that nobody can report on any more stays as long as that.
  const held = new Set(list<Pod>(state, resources.pods).filter((pod) => isStranded(view, pod))
    .map(({ metadata }) => metadata.namespace));
  const leaving = list(state, resources.namespaces)
    .find(({ metadata }) => metadata.deletionTimestamp !== undefined && !held.has(metadata.name));
  return leaving === undefined ? null : `namespace ${leaving.metadata.name} is being deleted`;
}

/** Its next version waits until every pod of the last one has ended: one that is stranded never says so. */
function isHeldUp(view: ConvergenceView, state: State, { metadata, spec }: Deployment): boolean {
  return spec.strategy?.type === 'Recreate' && list<Pod>(state, resources.pods, metadata.namespace ?? '')
    .some((pod) => isStranded(view, pod) && matchesSelector(spec.selector, pod.metadata.labels));
}

function workloads(view: ConvergenceView, state: State): string | null {
  for (const one of list<Deployment>(state, resources.deployments)) {
    const { name, generation, deletionTimestamp } = one.metadata;
    const { status = {} } = one, wanted = one.spec.replicas ?? 1;
    if (deletionTimestamp !== undefined) return `deployment ${name} is being deleted`;
    if (isHeldUp(view, state, one)) continue;
    if (status.observedGeneration !== generation) return `deployment ${name} is not observed`;
    for (const field of ['replicas', 'updatedReplicas', 'readyReplicas', 'availableReplicas'] as const) {
      if ((status[field] ?? 0) !== wanted) {
        return `deployment ${name} has ${field} ${status[field] ?? 0} of ${wanted}`;
      }
    }
  }
  for (const one of list<ReplicaSet>(state, resources.replicaSets)) {
    const { name, deletionTimestamp } = one.metadata;
    const { status } = one, wanted = one.spec.replicas ?? 1;
    if (deletionTimestamp !== undefined) return `replica set ${name} is being deleted`;
    if ((status?.replicas ?? 0) !== wanted) {
      return `replica set ${name} has ${status?.replicas ?? 0} of ${wanted}`;
    }
  }
  return null;
}

/** Only owners of the kinds that own anything here. */
function isThere(state: State, uid: string): boolean {
  return [resources.deployments, resources.replicaSets, resources.services, resources.configMaps]
    .some((resource) => list(state, resource).some(({ metadata }) => metadata.uid === uid));
}

/** On its way out, on a machine that is gone: nobody can say that it has ended, so it stays as it is. */
function isStranded({ lost }: Pick<ConvergenceView, 'lost'>, { metadata, spec }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined && lost.includes(spec.nodeName ?? '');
}

/** A pod without a node is right to wait only where there is none for it. */
function unplaced(state: State): string | null {
  for (const pod of list<Pod>(state, resources.pods)) {
    if ((pod.spec.nodeName ?? '') !== '') continue;
    const node = feasibleNode(state, pod);
    if (node !== null) return `pod ${pod.metadata.name} has no node, and would fit on ${node}`;
  }
  return null;
}

/** Kinds that somebody here owns; and what a Deployment marks its ReplicaSets with. */
const owned: readonly string[] = [resources.replicaSets, resources.pods, resources.configMaps];
const hashLabel = 'pod-template-hash';

/** Objects whose owner is gone. */
function strays(view: ConvergenceView, state: State): string | null {
  for (const { key, object } of everything(state)) {
    const { resource } = splitKey(key), { ownerReferences: owners = [], labels = {} } = object.metadata;
    if (!owned.includes(resource)) continue;
    if (resource === resources.replicaSets && owners.length === 0 && hashLabel in labels) {
      return `${key} was made for a Deployment and is nobody's`;
    }
    if (resource === resources.pods && isStranded(view, object as Pod)) continue;
    const [owner] = owners;
    if (owner !== undefined && !owners.some(({ uid }) => isThere(state, uid))) {
      return `${key} has lost its ${owner.kind} ${owner.name}`;
    }
  }
  return null;
}

function pods(view: ConvergenceView, state: State): string | null {
  for (const pod of list<Pod>(state, resources.pods)) {
    const { name, deletionTimestamp } = pod.metadata;
    const { phase = 'Pending', conditions = [] } = pod.status ?? {};
    if (isStranded(view, pod)) continue;
    if (deletionTimestamp !== undefined) return `pod ${name} is being deleted`;
    if ((pod.spec.nodeName ?? '') === '' || isOver(pod)) continue;
    if (phase !== 'Running') return `pod ${name} is ${phase} on ${pod.spec.nodeName}: ${waitingReason(pod)}`;
    if (pod.spec.restartPolicy !== 'Always') return `pod ${name} still runs`;
    const ready = conditions.find(({ type }) => type === 'Ready');
    if (ready?.status !== 'True') {
      return `pod ${name} is not ready on ${pod.spec.nodeName}: ${waitingReason(pod)}`;
    }
  }
  return null;
}

function waitingReason({ status }: Pod): string {
  const all = [...status?.initContainerStatuses ?? [], ...status?.containerStatuses ?? []];
  return all.map(({ name, state }) => `${name} ${state?.waiting?.reason ?? Object.keys(state ?? {}).join()}`)
    .join(', ');
}

const isOver = ({ status }: Pod): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed';

function services(state: State): string | null {
  for (const service of list<Service>(state, resources.services)) {
    const { selector } = service.spec, { name, namespace = '' } = service.metadata;
    if (selector === undefined) continue;
    const wanted = readyAddresses(state, namespace, selector);
    const found = list<EndpointSlice>(state, resources.endpointSlices, namespace)
      .filter(({ metadata }) => metadata.labels?.[serviceNameLabel] === name)
      .flatMap(({ endpoints }) => endpoints.filter(({ conditions }) => conditions?.ready === true))
      .flatMap(({ addresses }) => addresses).sort();
    if (wanted.join() !== found.join()) return `service ${name} has the endpoints ${found}, not ${wanted}`;
  }
  for (const { key, object } of everything(state)) {
    if (splitKey(key).resource !== resources.endpointSlices) continue;
    const owner = object.metadata.ownerReferences?.[0];
    if (owner !== undefined && !isThere(state, owner.uid)) {
      return `endpoint slice ${key} has lost its service`;
    }
  }
  return null;
}

function readyAddresses(
  state: State, namespace: string, selector: Readonly<Record<string, string>>,
): string[] {
  return list<Pod>(state, resources.pods, namespace).filter((pod) => {
    const { labels = {}, deletionTimestamp } = pod.metadata;
    const ready = pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
    return ready && deletionTimestamp === undefined
      && Object.entries(selector).every(([key, value]) => labels[key] === value);
  }).map(({ status }) => status?.podIP ?? '').sort();
}

/** Each container of each pod lives, where the pod's binding says. */
function running({ containers, lost }: ConvergenceView, state: State): string | null {
  const live = new Set(containers.live().map(({ machine, container }) =>
    `${machine}/${container.pod.uid}/${container.name}`));
  for (const pod of list<Pod>(state, resources.pods)) {
    const { nodeName = '' } = pod.spec;
    if (isOver(pod) || nodeName === '' || lost.includes(nodeName)) continue;
    const { name, uid } = pod.metadata;
    const dead = pod.spec.containers.find((each) => !live.has(`${pod.spec.nodeName}/${uid}/${each.name}`));
    if (dead !== undefined) {
      return `container ${dead.name} of pod ${name} does not run on ${pod.spec.nodeName}`;
    }
  }
  return null;
}

/** Every machine carries traffic for every Service to the same places. */
function routes({ machines }: ConvergenceView, state: State): string | null {
  for (const service of list<Service>(state, resources.services, 'default')) {
    const { selector, clusterIP = '' } = service.spec, { name } = service.metadata;
    if (selector === undefined || clusterIP === '' || clusterIP === 'None') continue;
    const wanted = readyAddresses(state, 'default', selector).join();
    for (const machine of machines) {
      const route = machine.routes.find((each) => each.clusterIP === clusterIP);
      const found = route?.backends.map(({ ip }) => ip).sort().join();
      if (found !== wanted) {
        return `${machine.name} routes service ${name} to ${found ?? 'nothing'}, not to ${wanted}`;
      }
    }
  }
  const known = new Set(list<Service>(state, resources.services).map(({ spec }) => spec.clusterIP));
  for (const machine of machines) {
    const stale = machine.routes.find(({ clusterIP }) => !known.has(clusterIP));
    if (stale !== undefined) return `${machine.name} still routes ${stale.name}`;
  }
  return null;
}

function orphans({ machines, lost, containers }: ConvergenceView, state: State): string | null {
  const belongs = (machine: string, { namespace, name, uid }: SandboxFact['pod']): boolean => {
    const pod = get<Pod>(state, objectKey(resources.pods, namespace, name));
    return pod !== null && pod.metadata.uid === uid && pod.spec.nodeName === machine;
  };
  for (const { machine, container } of containers.live()) {
    const { pod, id } = container;
    if (lost.includes(machine)) continue;
    if (!belongs(machine, pod)) return `container ${id} of ${pod.namespace}/${pod.name} lives on ${machine}`;
    const object = get<Pod>(state, objectKey(resources.pods, pod.namespace, pod.name));
    if (object !== null && isOver(object)) {
      return `container ${id} of ${pod.name}, which is over, lives on ${machine}`;
    }
  }
  for (const machine of machines) {
    const orphan = machine.sandboxes.find(({ pod }) => !belongs(machine.name, pod));
    if (orphan !== undefined) return `sandbox ${orphan.id} is left on ${machine.name}`;
  }
  return null;
}
