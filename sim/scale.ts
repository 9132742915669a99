// A large cluster in which nothing is drawn: so many machines that have been one cluster for a while, so many
// pods, and then its leader and a share of the machines die at once. It shows how long scheduling and healing
// take in simulated time, and what simulating them costs.
//
// What always holds: oracles look on as in every run, save that peers share what they would each work out
// alike (`ports/once.ts`); the result but for real times is a function of the options.

import { assert } from '../cluster/assert.ts';
import { resources } from '../cluster/api/objects.ts';
import type { Node, Pod } from '../cluster/api/types.ts';
import { createRandom, hash32 } from '../cluster/random.ts';
import { list } from '../cluster/state/query.ts';
import { isReady } from '../actors/controllers/pod-state.ts';
import type { FaultPlan } from './faults.ts';
import { trueClock } from './ports/clock.ts';
import { createWorld } from './world.ts';
import type { World } from './world.ts';

export interface ScaleOptions {
  readonly seed: number;
  readonly peers: number;
  readonly pods: number;
  /** Of so many machines one dies, the leader's besides. */
  readonly oneInDies: number;
  /** Real time, for what each phase costs. */
  readonly nowMs: () => number;
  readonly onPhase: (phase: ScalePhase) => void;
}

export interface ScalePhase {
  readonly name: string;
  readonly simulatedMs: number;
  readonly realMs: number;
  readonly events: number;
  /** Committed entries. */
  readonly entries: number;
}

/** As many as one Deployment has at most. */
const replicasMax = 100;
/** How often it is asked whether a phase is over: what the figures are exact to. */
const lookEveryMs = 250;
const phaseMsMax = 15 * 60_000;
/** After the last phase, how long nothing happens but what a cluster at rest does. */
const restMs = 30_000;

/** The world as it is in the end, with the violation that ended it, if there was one. */
export function runScale(options: ScaleOptions): World {
  const world = createWorld(scalePlan(options)), { pods } = options;
  const phase = (name: string, done: () => boolean): void => {
    if (world.violation() !== null) return;
    const before = marksOf(world), startedMs = options.nowMs();
    const untilMs = before.atMs + phaseMsMax;
    while (!done() && world.violation() === null && world.heap.nowMs() < untilMs) {
      world.run(world.heap.nowMs() + lookEveryMs);
    }
    if (!done()) world.report('converges', `${name}: not within ${phaseMsMax} ms`);
    const after = marksOf(world);
    options.onPhase({
      name, simulatedMs: after.atMs - before.atMs, realMs: options.nowMs() - startedMs,
      events: after.events - before.events, entries: after.entries - before.entries,
    });
  };
  for (const { number } of world.machines) world.start(number);
  phase('every Node is Ready', () => countReady(world) === options.peers);
  deploy(world, pods);
  phase(`${pods} pods run`, () => countRunning(world) === pods);
  const restUntilMs = world.heap.nowMs() + restMs;
  phase('at rest', () => world.heap.nowMs() >= restUntilMs);
  const dead = kill(world, options.oneInDies);
  phase(`${dead} machines die, the leader's too: ${pods} pods run again`, () => countRunning(world) === pods);
  return world;
}

function scalePlan({ seed, peers }: ScaleOptions): FaultPlan {
  return {
    version: 1, seed, peers, minutes: 60, healMs: 0, boundMs: phaseMsMax, classes: [], users: [],
    formed: true,
    links: {
      delay: 'uniform', delayMsMin: 0.2, delayMsMax: 2, lossPpm: 0, duplicatePpm: 0, reorderPpm: 0,
      reorderMsMax: 0,
    },
    disks: { syncMsMin: 0.2, syncMsMax: 1 },
    clocks: Array.from({ length: peers }, () => trueClock), logBounds: {}, faults: [],
  };
}

const marksOf = ({ heap, checker, events }: World): { atMs: number; events: number; entries: number } =>
  ({ atMs: heap.nowMs(), events: events(), entries: checker.history.applied() });

function countReady({ checker: { history } }: World): number {
  return list<Node>(history.state, resources.nodes).filter(({ status }) =>
    status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True')).length;
}

/** Ready, and on a machine that lives. */
function countRunning({ checker: { history }, machines }: World): number {
  const dead = new Set(machines.filter(({ life }) => life === null).map(({ name }) => name));
  return list<Pod>(history.state, resources.pods).filter((pod) =>
    isReady(pod) && pod.metadata.deletionTimestamp === undefined
    && !dead.has(pod.spec.nodeName ?? '')).length;
}

/** Deployments of equal size, through a peer that is not the leader. */
function deploy(world: World, pods: number): void {
  const door = world.machines.find(({ life }) => life?.peer.log().role !== 'leader');
  assert(door !== undefined, 'there is a peer that does not lead');
  for (let at = 0, left = pods; left > 0; at += 1, left -= replicasMax) {
    const wanted = deployment(`app-${at}`, Math.min(left, replicasMax));
    const body = new TextEncoder().encode(JSON.stringify(wanted));
    world.request(door.number, {
      method: 'POST', path: '/apis/apps/v1/namespaces/default/deployments', query: '',
      headers: { 'content-type': 'application/json' }, body,
    }, {
      answer({ status, body: text }) {
        if (status !== 201) world.report('answered', `a Deployment was answered ${status}: ${text}`);
      },
      broken: (reason) => world.report('answered', `a Deployment was not answered: ${reason}`),
    });
  }
}

function deployment(name: string, replicas: number): unknown {
  const labels = { app: name }, resourcesOf = { requests: { cpu: '50m', memory: '64Mi' } };
  return {
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name },
    spec: {
      replicas, selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: 'app', image: 'shoal/app:1', resources: resourcesOf }] },
      },
    },
  };
}

/** Machines lose power: the leader's, and one in so many of those without a vote. How many they are. */
function kill(world: World, oneIn: number): number {
  const random = createRandom(hash32(world.plan.seed, 0x6b696c)), { machines } = world;
  const leader = machines.find(({ life }) => life?.peer.log().role === 'leader' && life.peer.log().ready);
  const voters = leader?.life?.peer.log().voters ?? [];
  const others = machines.filter(({ id }) => !voters.includes(id) && random.chance(1, oneIn));
  const dead = leader === undefined ? others : [leader, ...others];
  for (const { number } of dead) world.crash(number, true);
  return dead.length;
}
