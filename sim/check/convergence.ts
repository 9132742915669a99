// What "healed" means: everything that is desired is there, everybody agrees on it, and nothing is there that
// nobody wants. A function of the committed state and of what truly runs; the first thing that is missing is
// named. What always holds: it only looks, and is asked now and then, not after every event.

import { resources } from '../../cluster/api/objects.ts';
import type { Deployment, EndpointSlice, Node, Pod, ReplicaSet, Service } from '../../cluster/api/types.ts';
import { objectKey, splitKey } from '../../cluster/ids.ts';
import { quorum, votersFor } from '../../cluster/log/voters.ts';
import type { Route, SandboxFact } from '../../cluster/ports.ts';
import { everything, get, list } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { LogDescription } from '../../cluster/log/log.ts';
import type { ContainersOracle } from './containers.ts';
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
  readonly machines: readonly MachineView[];
  readonly history: History;
  readonly containers: ContainersOracle;
}

/** Null: everything is as desired. */
export function unsettled(view: ConvergenceView): Unsettled | null {
  const { history: { state } } = view;
  const missing = cluster(view) ?? nodes(view, state) ?? namespaces(state) ?? workloads(state) ?? pods(state)
    ?? services(state) ?? running(view, state) ?? routes(view, state);
  if (missing !== null) return { oracle: 'converges', what: missing };
  const orphan = orphans(view, state);
  return orphan === null ? null : { oracle: 'no-orphans', what: orphan };
}

function cluster({ machines, history }: ConvergenceView): string | null {
  const wanted = votersFor(machines.length);
  const leaders = machines.filter(({ log }) => log?.role === 'leader');
  const leader = leaders[0]?.log;
  if (leader === undefined || leader === null || leaders.length !== 1) return `${leaders.length} leaders`;
  if (!leader.ready) return 'the leader is not ready';
  if (leader.members.length !== machines.length) return `${leader.members.length} members`;
  if (leader.voters.length !== wanted) return `${leader.voters.length} voters, not ${wanted}`;
  if (leader.lastIndex !== leader.commit) return `entries up to ${leader.lastIndex} are not committed`;
  for (const { name, log, applied } of machines) {
    if (log === null) return `${name} is not caught up`;
    if (log.term !== leader.term && log.role !== 'learner') {
      return `${name} is in term ${log.term}, not ${leader.term}`;
    }
    if (log.leader !== leader.leader) return `${name} follows ${log.leader}`;
    if (applied !== history.applied()) return `${name} has applied ${applied} of ${history.applied()}`;
  }
  return machines.length < quorum(wanted) ? 'no quorum' : null;
}

function nodes({ machines }: ConvergenceView, state: State): string | null {
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

function namespaces(state: State): string | null {
  const leaving = list(state, resources.namespaces)
    .find(({ metadata }) => metadata.deletionTimestamp !== undefined);
  return leaving === undefined ? null : `namespace ${leaving.metadata.name} is being deleted`;
}

function workloads(state: State): string | null {
  for (const one of list<Deployment>(state, resources.deployments)) {
    const { name, generation, deletionTimestamp } = one.metadata;
    const { status = {} } = one, wanted = one.spec.replicas ?? 1;
    if (deletionTimestamp !== undefined) return `deployment ${name} is being deleted`;
    if (status.observedGeneration !== generation) return `deployment ${name} is not observed`;
    for (const field of ['replicas', 'updatedReplicas', 'readyReplicas', 'availableReplicas'] as const) {
      if ((status[field] ?? 0) !== wanted) {
        return `deployment ${name} has ${field} ${status[field] ?? 0} of ${wanted}`;
      }
    }
  }
  for (const one of list<ReplicaSet>(state, resources.replicaSets)) {
    const { name, deletionTimestamp, ownerReferences = [] } = one.metadata;
    const { status } = one, wanted = one.spec.replicas ?? 1;
    if (deletionTimestamp !== undefined) return `replica set ${name} is being deleted`;
    if ((status?.replicas ?? 0) !== wanted) {
      return `replica set ${name} has ${status?.replicas ?? 0} of ${wanted}`;
    }
    const owned = ownerReferences.some(({ uid }) => isThere(state, uid));
    if (!owned) return `replica set ${name} has no owner any more`;
  }
  return null;
}

/** Only owners of the kinds that own anything here. */
function isThere(state: State, uid: string): boolean {
  return [resources.deployments, resources.replicaSets, resources.services]
    .some((resource) => list(state, resource).some(({ metadata }) => metadata.uid === uid));
}

function pods(state: State): string | null {
  for (const pod of list<Pod>(state, resources.pods)) {
    const { name, deletionTimestamp, ownerReferences = [] } = pod.metadata;
    const { phase = 'Pending', conditions = [] } = pod.status ?? {};
    if (deletionTimestamp !== undefined) return `pod ${name} is being deleted`;
    if ((pod.spec.nodeName ?? '') === '') return `pod ${name} has no node`;
    if (isOver(pod)) continue;
    if (phase !== 'Running') return `pod ${name} is ${phase} on ${pod.spec.nodeName}: ${waitingReason(pod)}`;
    if (pod.spec.restartPolicy !== 'Always') return `pod ${name} still runs`;
    const ready = conditions.find(({ type }) => type === 'Ready');
    if (ready?.status !== 'True') {
      return `pod ${name} is not ready on ${pod.spec.nodeName}: ${waitingReason(pod)}`;
    }
    const orphaned = ownerReferences.find(({ uid }) => !isThere(state, uid));
    if (orphaned !== undefined) return `pod ${name} has lost its ${orphaned.kind} ${orphaned.name}`;
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
      .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === name)
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
function running({ containers }: ConvergenceView, state: State): string | null {
  const live = new Set(containers.live().map(({ machine, container }) =>
    `${machine}/${container.pod.uid}/${container.name}`));
  for (const pod of list<Pod>(state, resources.pods)) {
    if (isOver(pod)) continue;
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

function orphans({ machines, containers }: ConvergenceView, state: State): string | null {
  const belongs = (machine: string, { namespace, name, uid }: SandboxFact['pod']): boolean => {
    const pod = get<Pod>(state, objectKey(resources.pods, namespace, name));
    return pod !== null && pod.metadata.uid === uid && pod.spec.nodeName === machine;
  };
  for (const { machine, container } of containers.live()) {
    const { pod, id } = container;
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
