// The twin of a run: a world of the same size in which nothing goes wrong, and in which users ask once for
// what they wanted in the end. Both must come to the same end, names aside: what was suffered on the way
// leaves no trace. Compared is what users see: applications, their counts and pods, Services and how many
// stand behind them, namespaces and what every namespace has. Pods of their own may have failed for a fault.
//
// What always holds: the twin is a function of the plan and of what was desired; it judges nothing itself.

import { controllerOf, resources, serviceNameLabel } from '../../cluster/api/objects.ts';
import type {
  Deployment, EndpointSlice, KubeObject, Namespace, Pod, ReplicaSet, Service,
} from '../../cluster/api/types.ts';
import { canonicalText } from '../../cluster/canonical.ts';
import { everything, list } from '../../cluster/state/query.ts';
import { splitKey } from '../../cluster/ids.ts';
import type { State } from '../../cluster/state/state.ts';
import type { FaultPlan } from '../faults.ts';
import { trueClock } from '../ports/clock.ts';
import { createWorld } from '../world.ts';
import type { World } from '../world.ts';

/** Runs the world until all is as desired; null: it never was, and why is reported in that world. */
export type Settle = (world: World, untilMs: number) => number | null;

const formMs = 60_000, settleMs = 240_000, askEveryMs = 5;

/** Runs the twin and compares; what differs is reported in `world`. */
export function judgeTwin(world: World, settle: Settle): void {
  const twin = createWorld(calm(world.plan)), { state } = world.checker.history;
  for (const { number } of twin.machines) twin.heap.at(number, () => twin.start(number));
  twin.run(1_000);
  if (settle(twin, formMs) === null) return passOn(world, twin, 'does not form');
  const desired = desiredIn(state);
  desired.forEach((object, n) => {
    twin.heap.at(twin.heap.nowMs() + n * askEveryMs, () => ask(twin, n, object));
  });
  twin.run(twin.heap.nowMs() + desired.length * askEveryMs + 1_000);
  const rested = settle(twin, twin.heap.nowMs() + settleMs);
  if (rested === null) return passOn(world, twin, 'does not come to rest');
  const found = endOf(state), expected = endOf(twin.checker.history.state);
  const wrong = [...new Set([...found.keys(), ...expected.keys()])].sort()
    .find((key) => found.get(key) !== expected.get(key));
  if (wrong === undefined) return;
  world.report('same-end-state', `${wrong} is ${found.get(wrong) ?? 'not there'}, without faults it is `
    + `${expected.get(wrong) ?? 'not there'}`);
}

function passOn(world: World, twin: World, what: string): void {
  const { oracle, message } = twin.violation() ?? { oracle: 'converges', message: 'no reason is known' };
  world.report('same-end-state', `the run without faults ${what}: ${oracle}: ${message}`);
}

function calm({ core: _, users: __, ...plan }: FaultPlan): FaultPlan {
  return {
    ...plan, healMs: 0, boundMs: settleMs, classes: [], faults: [],
    clocks: plan.clocks.map(() => trueClock),
  };
}

// ── what was desired ─────────────────────────────────────────────────────────────────────────────────────

interface Asked { readonly path: string; readonly body: unknown }

function desiredIn(state: State): readonly Asked[] {
  const some = <T extends KubeObject>(
    kind: Parameters<typeof list>[1], path: (namespace: string) => string, wanted: (object: T) => boolean,
  ): Asked[] => list<T>(state, kind).filter(wanted).map((object) =>
    ({ path: path(object.metadata.namespace ?? ''), body: asFirstAsked(object) }));
  const api = (namespace: string, plural: string): string => `/api/v1/namespaces/${namespace}/${plural}`;
  const apps = (namespace: string, plural: string): string =>
    `/apis/apps/v1/namespaces/${namespace}/${plural}`;
  return [
    ...some<Namespace>(resources.namespaces, () => '/api/v1/namespaces', isOfUsers),
    ...some<Deployment>(resources.deployments, (ns) => apps(ns, 'deployments'), () => true),
    ...some<ReplicaSet>(resources.replicaSets, (ns) => apps(ns, 'replicasets'), isFree),
    ...some<Service>(resources.services, (ns) => api(ns, 'services'),
      ({ spec }) => spec.selector !== undefined),
  ];
}

const isOfUsers = ({ metadata: { name } }: KubeObject): boolean =>
  name !== 'default' && !name.startsWith('kube-');
const isFree = (object: KubeObject): boolean => controllerOf(object) === null;

/** Without what the cluster has given it. */
function asFirstAsked(object: KubeObject & { readonly spec?: object }): unknown {
  const { apiVersion, kind, metadata: { name, namespace, labels } } = object;
  const { clusterIP: _, clusterIPs: __, finalizers: ___, ...spec } = (object.spec ?? {}) as {
    clusterIP?: unknown; clusterIPs?: unknown; finalizers?: unknown };
  return { apiVersion, kind, metadata: { name, namespace, labels }, spec };
}

function ask(twin: World, n: number, { path, body }: Asked): void {
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  const request = {
    method: 'POST', path, query: '', headers: { 'content-type': 'application/json' }, body: bytes,
  };
  twin.request(n % twin.machines.length + 1, request, {
    answer({ status, body: text }) {
      if (status >= 300) twin.report('converges', `${path} is answered ${status}: ${text}`);
    },
    broken(reason) { twin.report('converges', `${path}: ${reason}`); },
  });
}

// ── the end ──────────────────────────────────────────────────────────────────────────────────────────────

/** By what it is of: one line. */
export function endOf(state: State): ReadonlyMap<string, string> {
  const lines = new Map<string, string>();
  const note = (kind: string, { metadata: { name, namespace = '' } }: KubeObject, fields: unknown): void => {
    lines.set(`${kind} ${namespace}/${name}`, canonicalText(fields));
  };
  for (const one of list<Namespace>(state, resources.namespaces)) {
    note('namespace', one, { phase: one.status?.phase, has: belongings(state, one.metadata.name) });
  }
  for (const one of list<Deployment>(state, resources.deployments)) {
    const sets = list<ReplicaSet>(state, resources.replicaSets, one.metadata.namespace ?? '')
      .filter((each) => controllerOf(each)?.uid === one.metadata.uid);
    const { replicas, updatedReplicas, readyReplicas, availableReplicas } = one.status ?? {};
    note('deployment', one, {
      spec: one.spec,
      counts: [replicas, updatedReplicas, readyReplicas, availableReplicas].map((n) => n ?? 0),
      pods: sets.flatMap((each) => podsOf(state, each)).sort(),
      sets: sets.filter(({ spec }) => (spec.replicas ?? 1) > 0).length,
    });
  }
  for (const one of list<ReplicaSet>(state, resources.replicaSets).filter(isFree)) {
    note('replica set', one, { replicas: one.spec.replicas, pods: podsOf(state, one) });
  }
  for (const one of list<Service>(state, resources.services)) {
    if (one.spec.selector !== undefined) note('service', one, { ready: readyBehind(state, one) });
  }
  return lines;
}

/** What every namespace gets. */
function belongings(state: State, namespace: string): readonly string[] {
  return everything(state).map(({ key }) => splitKey(key))
    .filter((each) => each.namespace === namespace && each.resource === resources.serviceAccounts)
    .map(({ name }) => name).sort();
}

function podsOf(state: State, set: ReplicaSet): readonly string[] {
  return list<Pod>(state, resources.pods, set.metadata.namespace ?? '')
    .filter((pod) => controllerOf(pod)?.uid === set.metadata.uid)
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ spec, status }) => {
      const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status;
      return `${status?.phase} ${ready} ${spec.containers.map(({ image }) => image).join()}`;
    }).filter((line) => !/^(Failed|Succeeded) /.test(line)).sort();
}

function readyBehind(state: State, { metadata: { name, namespace = '' } }: Service): number {
  return list<EndpointSlice>(state, resources.endpointSlices, namespace)
    .filter(({ metadata }) => metadata.labels?.[serviceNameLabel] === name)
    .flatMap(({ endpoints }) => endpoints.filter(({ conditions }) => conditions?.ready === true)).length;
}
