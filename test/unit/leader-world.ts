// A little world for the leader's actors: a real state and real commands, a clock that jumps from event to
// event, and a pretend kubelet that does what it is told. Everything that is written is told in one line.

import { parseAllDocuments } from 'yaml';
import { defaultLevels, defaultSchemas } from '../../cluster/api/access/flowdefaults.ts';
import {
  defaultClusterRoleBindings, defaultClusterRoles, defaultRoleBindings, defaultRoles,
} from '../../cluster/api/access/roles.ts';
import { keyOf, newborn, resources, updateOp } from '../../cluster/api/objects.ts';
import { resourceByKind, resourceTable } from '../../cluster/api/resources/index.ts';
import type { Resource } from '../../cluster/api/resource.ts';
import { rfc3339 } from '../../cluster/api/time.ts';
import type { Deployment, KubeEvent, KubeObject, Node, Pod, ReplicaSet } from '../../cluster/api/types.ts';
import type { Beat, Liveness } from '../../cluster/gossip/types.ts';
import { index, nodeName, objectKey, peerId, resourceName, term as asTerm } from '../../cluster/ids.ts';
import type { ObjectKey, PeerId, ResourceName, Term } from '../../cluster/ids.ts';
import type { Route } from '../../cluster/ports.ts';
import { createRandom } from '../../cluster/random.ts';
import { applyEntry } from '../../cluster/state/apply.ts';
import { get, list } from '../../cluster/state/query.ts';
import { createState } from '../../cluster/state/state.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Change, Op } from '../../cluster/state/types.ts';
import { encodeCommand } from '../../cluster/wire.ts';
import { conditionOf, isEnded, isReady } from '../../actors/controllers/pod-state.ts';
import { deletion } from '../../cluster/api/deletion.ts';
import type { PeerServices, SubmitOutcome } from '../../actors/services.ts';
import { createLeaderActors } from '../../actors/leader.ts';
import type { LeaderActors } from '../../actors/leader.ts';

const startWallMs = Date.parse('2026-11-24T08:00:00Z');

interface Waiting {
  readonly atMs: number;
  readonly sequence: number;
  readonly id: number;
  readonly work: () => void;
}

export interface World {
  readonly services: PeerServices;
  readonly state: State;
  nowMs(): number;
  /** Starts the leader's actors under the next term; those of the last one are stopped. */
  lead(): LeaderActors;
  /** Hears of every applied change besides the leader's actors. */
  listen(listener: (changes: readonly Change[]) => void): void;
  /** A write from outside, applied at once. */
  write(ops: readonly Op[]): SubmitOutcome;
  /** Lets time pass; gives what was written meanwhile, in order. */
  run(ms: number): readonly Change[];
  setLiveness(peer: string, status: Liveness, ready?: boolean, reason?: string): void;
  /** The next answers to the actors' commands, before real ones are given again. */
  readonly refusals: SubmitOutcome[];
  /** An answer for the commands it picks; null: the real one. */
  refuse: ((ops: readonly Op[]) => SubmitOutcome | null) | null;
  /** Commands that actors have submitted. */
  submitted(): number;
  routes(): readonly Route[] | null;
}

export function createWorld(): World {
  const state = createState();
  const queue: Waiting[] = [], gossip = new Map<PeerId, { status: Liveness; beat: Beat | null }>();
  const listeners: ((changes: readonly Change[]) => void)[] = [], refusals: SubmitOutcome[] = [];
  let now = 0, sequence = 0, lastIndex = 0, term: Term = asTerm(1), commands = 0, submitted = 0;
  // The roles and flows that every cluster has come first; the objects of a test count from one.
  let uids = -[
    ...defaultClusterRoles, ...defaultClusterRoleBindings, ...defaultRoles, ...defaultRoleBindings,
    ...defaultSchemas, ...defaultLevels,
  ].length;
  let routes: readonly Route[] | null = null, leader: LeaderActors | null = null, written: Change[] = [];
  const random = createRandom(1);

  function at(ms: number, work: () => void): number {
    const id = (sequence += 1);
    queue.push({ atMs: now + ms, sequence: id, id, work });
    return id;
  }

  function apply(ops: readonly Op[], fence: Term | null): SubmitOutcome {
    const id = { origin: peerId('world'), incarnation: 1, sequence: (commands += 1) };
    const data = encodeCommand({ id, ops, ...(fence === null ? {} : { fence }) });
    const { outcome, changes } = applyEntry(state, {
      index: index((lastIndex += 1)),
      term,
      kind: 'command',
      data,
    });
    if (changes.length > 0) {
      written.push(...changes);
      leader?.changes(changes);
      for (const listener of listeners) listener(changes);
    }
    return outcome;
  }

  const services: PeerServices = {
    self: {
      id: peerId('id-1'),
      name: nodeName('peer-1'),
      hostIP: '127.0.0.1',
      version: 'v1',
      labels: {},
      nodeInfo: {},
      capacity: { cpuMilli: 4000, memoryBytes: 8 * 2 ** 30, pods: 110 },
    },
    state: () => state,
    nowMs: () => now,
    wallMs: () => startWallMs + now,
    random,
    newUid: () => `uid-${(uids += 1)}`,
    clock: {
      setTimeout: (fn, ms) => at(Math.max(0, Math.ceil(ms)), () => fn()),
      clearTimeout: (id) => {
        const found = queue.findIndex((one) => one.id === id);
        if (found >= 0) queue.splice(found, 1);
      },
    },
    submit(ops, fence, done) {
      submitted += 1;
      const refusal = refusals.shift() ?? world.refuse?.(ops) ?? null;
      // A commit takes two milliseconds; the outcome comes as an event of its own.
      at(2, () => {
        const outcome = refusal ?? apply(ops, fence);
        at(0, () => done(outcome));
      });
    },
    runtime: () => {
      throw new Error('no runtime here');
    },
    traffic: (next) => {
      routes = next;
    },
    liveness: (peer) => gossip.get(peer) ?? { status: 'dead', beat: null },
    trace: () => undefined,
  };

  const world: World = {
    services, state, refusals, refuse: null,
    nowMs: () => now,
    lead() {
      leader?.stop();
      term = asTerm(term + 1);
      applyEntry(state, { index: index(lastIndex += 1), term, kind: 'noop', data: new Uint8Array() });
      return leader = createLeaderActors(services, term);
    },
    listen: (listener) => { listeners.push(listener); },
    write: (ops) => apply(ops, null),
    run(ms) {
      const end = now + ms;
      for (;;) {
        queue.sort((a, b) => a.atMs - b.atMs || a.sequence - b.sequence);
        const next = queue[0];
        if (next === undefined || next.atMs > end) break;
        queue.shift();
        now = next.atMs;
        next.work();
      }
      now = end;
      const seen = written;
      written = [];
      return seen;
    },
    setLiveness(peer, status, ready = true, reason = '') {
      const id = peerId(peer);
      const beat: Beat = {
        peer: id,
        incarnation: 1,
        sequence: 1,
        applied: index(0),
        freeCpuMilli: 0,
        freeMemoryBytes: 0,
        pressure: 0,
        ready,
        reason,
        addresses: [],
      };
      gossip.set(id, { status, beat });
      leader?.liveness(id);
    },
    submitted: () => submitted,
    routes: () => routes,
  };
  return world;
}

// ── what a user does ─────────────────────────────────────────────────────────────────────────────────────

const nameOf = ({ group, resource }: Resource): ResourceName =>
  resourceName(`${group === '' ? 'core' : group}/${resource}`);

export function resourceOf(plural: string): ResourceName {
  const found = resourceTable.find(
    (resource) => resource.resource === plural || resource.shortNames.includes(plural),
  );
  if (found === undefined) throw new Error(`no resource ${plural}`);
  return nameOf(found);
}

/** Creates every object of the YAML text as the API would. */
export function create(world: World, yaml: string): string {
  const lines: string[] = [];
  for (const document of parseAllDocuments(yaml)) {
    const object = document.toJS() as KubeObject;
    const resource = resourceByKind(object.apiVersion, object.kind);
    if (resource === null) throw new Error(`no kind ${object.apiVersion} ${object.kind}`);
    const metadata = resource.namespaced ? { namespace: 'default', ...object.metadata } : object.metadata;
    const born = newborn(
      { ...object, metadata: { ...metadata, ...resource.hasGeneration ? { generation: 1 } : {} } },
      { uid: world.services.newUid(), nowWallMs: world.services.wallMs() },
    );
    const status = (object as { status?: unknown }).status;
    const made = resource.prepareCreate(resource.defaults(born));
    const whole = status === undefined ? made : Object.assign({ ...made }, { status });
    const outcome = world.write([{ op: 'create', key: keyOf(nameOf(resource), whole), object: whole }]);
    if (!outcome.ok) lines.push(`${outcome.refusal.reason}: ${outcome.refusal.message}`);
  }
  return lines.join('\n');
}

/** Merges the YAML into the object; a change of its spec raises the generation, as in the API. */
export function patch(
  world: World,
  plural: string,
  name: string,
  yaml: string,
  namespace = 'default',
): string {
  const resource = resourceOf(plural);
  const seen = get<KubeObject>(world.state, keyAt(resource, name, namespace));
  if (seen === null) return `no ${plural} ${name}`;
  const change: unknown = parseAllDocuments(yaml)[0]?.toJS();
  const rules = resourceByKind(seen.apiVersion, seen.kind);
  const merged = rules?.defaults(merge(seen, change) as KubeObject) as KubeObject & { spec?: unknown };
  const respecced = JSON.stringify(merged.spec) !== JSON.stringify((seen as { spec?: unknown }).spec);
  const generation = (seen.metadata.generation ?? 1) + (respecced ? 1 : 0);
  const next = { ...merged, metadata: { ...merged.metadata, generation } };
  const outcome = world.write([updateOp(resource, seen, next)]);
  return outcome.ok ? '' : outcome.refusal.message;
}

export function remove(
  world: World,
  plural: string,
  name: string,
  how: { foreground?: boolean; orphan?: boolean } = {},
  namespace = 'default',
): string {
  const resource = resourceOf(plural);
  const seen = get<KubeObject>(world.state, keyAt(resource, name, namespace));
  if (seen === null) return `no ${plural} ${name}`;
  const held =
    how.orphan === true
      ? {
          ...seen,
          metadata: { ...seen.metadata, finalizers: [...(seen.metadata.finalizers ?? []), 'orphan'] },
        }
      : seen;
  const marked =
    resource === resources.namespaces
      ? updateOp(resource, seen, {
          ...seen,
          metadata: { ...seen.metadata, deletionTimestamp: rfc3339(world.services.wallMs()) },
        })
      : deletion(resource, held, {
        nowWallMs: world.services.wallMs(), propagation: how.foreground === true ? 'Foreground' : null,
      });
  if (marked === null) return 'already deleted';
  const outcome = world.write([marked]);
  return outcome.ok ? '' : outcome.refusal.message;
}

export function keyAt(resource: ResourceName, name: string, namespace: string): ObjectKey {
  const clustered = resource === resources.nodes || resource === resources.namespaces;
  return objectKey(resource, clustered ? '' : namespace, name);
}

function merge(old: unknown, change: unknown): unknown {
  if (typeof change !== 'object' || change === null || Array.isArray(change)) return change;
  const out: Record<string, unknown> = typeof old === 'object' && old !== null && !Array.isArray(old)
    ? { ...(old as Record<string, unknown>) } : {};
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete out[key];
    else out[key] = merge(out[key], value);
  }
  return out;
}

/** A ready node `peer-n` with a member `id-n` that gossip holds for alive. */
export function addNode(world: World, n: number, options: Readonly<Record<string, string>> = {}): void {
  world.setLiveness(`id-${n}`, 'alive');
  const cpu = options['cpu'] ?? '4', memory = options['memory'] ?? '8Gi', pods = options['pods'] ?? '110';
  create(
    world,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        name: `peer-${n}`,
        annotations: { 'shoal.dev/peer-id': `id-${n}`, 'shoal.dev/api-port': String(6442 + n) },
        labels: { 'kubernetes.io/hostname': `peer-${n}`, ...labelsFrom(options['labels']) },
      },
      status: {
        capacity: { cpu, memory, pods },
        allocatable: { cpu, memory, pods },
        addresses: [{ type: 'InternalIP', address: `10.0.0.${n}` }],
        conditions: [
          {
            type: 'Ready',
            status: 'True',
            reason: 'KubeletReady',
            message: 'kubelet is posting ready status',
          },
        ],
      },
    }),
  );
}

function labelsFrom(text = ''): Record<string, string> {
  return Object.fromEntries(text.split(',').filter((part) => part !== '').map((part) => part.split(':')));
}

// ── what a kubelet does ──────────────────────────────────────────────────────────────────────────────────

/** Ends what is to end, and makes up to `count` placed pods (or those named) run and be ready. */
export function kubelet(world: World, count: number, named: readonly string[] = []): void {
  for (const pod of list<Pod>(world.state, resources.pods)) {
    if ((pod.spec.nodeName ?? '') === '' || pod.metadata.deletionTimestamp === undefined) continue;
    if (isDown(world, pod)) continue;
    world.write([{ op: 'delete', key: keyOf(resources.pods, pod) }]);
  }
  let left = count;
  for (const pod of list<Pod>(world.state, resources.pods)) {
    const wanted = named.length === 0 || named.includes(pod.metadata.name);
    const starts = (pod.spec.nodeName ?? '') !== '' && !isReady(pod) && !isEnded(pod);
    if (!wanted || !starts || left <= 0 || isDown(world, pod)) continue;
    left -= 1;
    setReady(world, pod, true);
  }
}

function isDown(world: World, pod: Pod): boolean {
  const node = get<Node>(world.state, objectKey(resources.nodes, '', pod.spec.nodeName ?? ''));
  return (
    node === null ||
    world.services.liveness(peerId(node.metadata.annotations?.['shoal.dev/peer-id'] ?? '')).status === 'dead'
  );
}

export function setReady(world: World, pod: Pod, ready: boolean): void {
  const now = rfc3339(world.services.wallMs());
  const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'Ready');
  const ip = pod.status?.podIP ?? `10.1.0.${Number(pod.metadata.uid.replace(/\D/g, '')) % 250}`;
  world.write([
    updateOp(resources.pods, pod, {
      ...pod,
      status: {
        ...pod.status,
        phase: 'Running',
        podIP: ip,
        podIPs: [{ ip }],
        conditions: [
          ...others,
          { type: 'Ready', status: ready ? ('True' as const) : ('False' as const), lastTransitionTime: now },
        ],
      },
    }),
  ]);
}

export function endPod(world: World, name: string, phase: 'Succeeded' | 'Failed'): void {
  const pod = get<Pod>(world.state, objectKey(resources.pods, 'default', name));
  if (pod !== null) {
    world.write([updateOp(resources.pods, pod, { ...pod, status: { ...pod.status, phase } })]);
  }
}

// ── what is told ─────────────────────────────────────────────────────────────────────────────────────────

const marks = { ADDED: '+', MODIFIED: '~', DELETED: '-' } as const;

/** One line for each change of these kinds; all kinds, if none is named. */
export function tell(changes: readonly Change[], kinds: readonly string[]): string {
  return changes.filter(({ object }) => kinds.length === 0 || kinds.includes(object.kind))
    .map(({ type, object }) => `${marks[type]} ${describe(object, type === 'DELETED')}`).join('\n');
}

function describe(object: KubeObject, gone: boolean): string {
  const { kind, metadata } = object;
  const namespace =
    metadata.namespace === undefined || metadata.namespace === 'default' ? '' : `${metadata.namespace}/`;
  const name = `${kind.toLowerCase()} ${namespace}${metadata.name}`;
  if (gone) return name;
  const parts = [...details(object), ...(metadata.deletionTimestamp === undefined ? [] : ['terminating'])];
  return [name, ...parts].join(' ');
}

function details(object: KubeObject): readonly string[] {
  switch (object.kind) {
    case 'Pod': return podDetails(object as Pod);
    case 'ReplicaSet': return setDetails(object as ReplicaSet);
    case 'Deployment': return deploymentDetails(object as Deployment);
    case 'Node': return nodeDetails(object as Node);
    case 'Event': {
      const { reason = '', message = '', count = 1, type = '' } = object as KubeEvent;
      return [`${type} ${reason} (${count}): ${message}`];
    }
    default: return [];
  }
}

function podDetails(pod: Pod): readonly string[] {
  const scheduled = conditionOf(pod.status?.conditions, 'PodScheduled');
  return [
    ...(pod.spec.nodeName === undefined ? [] : [`on=${pod.spec.nodeName}`]), pod.status?.phase ?? '',
    ...(isReady(pod) ? ['ready'] : []),
    ...(scheduled?.status === 'False' ? [`${scheduled.reason}: ${scheduled.message}`] : []),
  ];
}

function setDetails({ spec, status, metadata }: ReplicaSet): readonly string[] {
  const {
    replicas = 0,
    readyReplicas = 0,
    availableReplicas = 0,
    conditions = [],
  } = status ?? { replicas: 0 };
  return [
    `revision=${metadata.annotations?.['deployment.kubernetes.io/revision'] ?? '-'}`,
    `wants=${spec.replicas}`,
    `has=${replicas} ready=${readyReplicas} available=${availableReplicas}`,
    ...conditions.map(({ type, reason }) => `${type}=${reason}`),
  ];
}

function deploymentDetails({ metadata, status = {} }: Deployment): readonly string[] {
  const conditions = (status.conditions ?? []).map(
    ({ type, status: held, reason }) => `${type}=${held}/${reason}`,
  );
  return [
    `revision=${metadata.annotations?.['deployment.kubernetes.io/revision'] ?? '-'}`,
    `observed=${status.observedGeneration ?? 0}/${metadata.generation}`,
    `has=${status.replicas ?? 0} updated=${status.updatedReplicas ?? 0}`,
    `available=${status.availableReplicas ?? 0}`,
    ...conditions,
  ];
}

function nodeDetails({ spec, status }: Node): readonly string[] {
  const ready = conditionOf(status?.conditions, 'Ready');
  const taints = (spec?.taints ?? []).map(({ key, effect, timeAdded }) =>
    `${key}:${effect}${timeAdded === undefined ? '' : `@${timeAdded.slice(11, 19)}`}`);
  return [`Ready=${ready?.status}/${ready?.reason}`, ...taints];
}
