// One run: a world under its plan, with users, through chaos, healing and silence, to a verdict.

import { splitKey } from '../cluster/ids.ts';
import { resources } from '../cluster/api/objects.ts';
import { digestOf } from '../cluster/state/digest.ts';
import type { Canary } from './canary.ts';
import { unsettled } from './check/convergence.ts';
import type { ConvergenceView, Unsettled } from './check/convergence.ts';
import type { Violation } from './check/oracle.ts';
import type { FaultPlan } from './faults.ts';
import { startRounds } from './check/rounds.ts';
import { judgeTwin } from './check/twin.ts';
import { scheduleCore } from './core.ts';
import { injectFaults } from './inject.ts';
import type { MarkCounts } from './marks.ts';
import type { SimRequest } from './ports/clients.ts';
import { createWorld } from './world.ts';
import type { World, WorldOptions } from './world.ts';
import { startUsers } from './workload.ts';

export interface RunResult {
  readonly plan: FaultPlan;
  readonly violation: Violation | null;
  readonly hash: string;
  readonly events: number;
  readonly simulatedMs: number;
  /** How long after the end of faults everything was as desired; null if it never was. */
  readonly settledAfterMs: number | null;
  readonly entries: number;
  readonly messages: number;
  /** Rare states that were reached, and how often. */
  readonly marks: MarkCounts;
  /** Histories of a key that were too long to judge whether one order explains them. */
  readonly undecided: number;
  readonly canary: Canary | null;
  /** Who used the cluster, by name. */
  readonly users: readonly string[];
  /** For the report of a violation. */
  readonly world: World;
}

/** Machines start one after the other, the founder first. */
const startEveryMs = 150;
/** How often it is asked whether all is as desired. */
const lookEveryMs = 500;
/** So long nobody may write once all is as desired. */
const silenceMs = 30_000;
/** Clean-up after the last desired thing came about: statuses, Events, removed sandboxes. */
const windDownMs = 60_000;
/** A live peer that has not answered by then has forgotten the request. */
const forgottenMs = 100_000;

export interface RunOptions extends WorldOptions {
  /** Judges what has happened by then, if that is before `healMs`, and leaves out the rest. */
  readonly untilMs?: number;
  /**
   * Whether to run the same without faults too, and to compare the ends; if nothing is said, one seed in
   * `twinEvery` is, for it takes as long again. Never where machines are lost for good.
   */
  readonly twin?: boolean;
}

const twinEvery = 16;

export function runPlan(plan: FaultPlan, options: RunOptions = {}): RunResult {
  const world = createWorld(plan, options);
  const { heap, checker } = world;
  for (const { number } of world.machines) heap.at((number - 1) * startEveryMs, () => world.start(number));
  injectFaults(world);
  scheduleCore(world);
  startRounds(world);
  const users = startUsers(world);
  const { untilMs = plan.healMs } = options;
  world.run(Math.min(untilMs, plan.healMs));
  const { settledMs, undecided } = untilMs < plan.healMs ? { settledMs: null, undecided: 0 } : heal(world);
  const isWell = settledMs !== null && world.violation() === null && plan.core === undefined;
  const { twin = plan.seed % twinEvery === 0 } = options;
  if (twin && isWell) judgeTwin(world, awaitDesired);
  return {
    plan, violation: world.violation(), hash: world.hash(), events: world.events(), simulatedMs: heap.nowMs(),
    settledAfterMs: settledMs === null ? null : settledMs - plan.healMs, entries: checker.history.applied(),
    marks: checker.marks.counts(), messages: world.network.stats().sent, canary: options.canary ?? null,
    users, undecided, world,
  };
}

/** From the last fault to the end. `settledMs`: when all was as desired, null if it never was. */
function heal(world: World): { readonly settledMs: number | null; readonly undecided: number } {
  const { heap, checker, plan } = world;
  const settledMs = awaitDesired(world, plan.healMs + plan.boundMs);
  if (settledMs !== null) awaitSilence(world, heap.nowMs() + windDownMs);
  world.run(plan.minutes * 60_000);
  checkAnswered(world);
  return { settledMs, undecided: checker.clients.finish() };
}

/** Runs until all is as desired, and says when that was; null on a violation, of the bound for one. */
export function awaitDesired(world: World, untilMs: number): number | null {
  const { heap } = world;
  let missing: Unsettled | null = null;
  while (world.violation() === null && heap.nowMs() < untilMs) {
    missing = unsettled(viewOf(world));
    if (missing === null) return heap.nowMs();
    world.run(Math.min(untilMs, heap.nowMs() + lookEveryMs));
  }
  if (missing !== null) {
    world.report(missing.oracle,
      `${Math.round(world.plan.boundMs / 1000)} s after the last fault: ${missing.what}`);
  }
  return null;
}

/** All is as desired; soon after, nobody may write for a while, and all must stay as desired. */
export function awaitSilence(world: World, untilMs: number): void {
  const { heap, checker: { history } } = world;
  for (;;) {
    const before = history.applied();
    world.run(heap.nowMs() + silenceMs);
    if (world.violation() !== null) return;
    const { entries, written } = writesSince(world, before);
    if (entries === 0) break;
    if (heap.nowMs() < untilMs + silenceMs) continue;
    world.report('silence',
      `${entries} entries in ${silenceMs / 1000} s: ${written.slice(-8).join('; ') || 'none counts'}`);
    return;
  }
  const missing = unsettled(viewOf(world));
  if (missing !== null) world.report(missing.oracle, `after a while of silence: ${missing.what}`);
}

/** Events (the Kubernetes object) go when they are old, whatever else happens. */
function writesSince(
  { checker: { history } }: World, index: number,
): { readonly entries: number; readonly written: readonly string[] } {
  const changes = history.changes().filter(({ revision }) => revision > index);
  const aged = changes.filter(({ type, key }) => type === 'DELETED'
    && splitKey(key).resource === resources.events);
  const written = changes.filter((change) => !aged.includes(change))
    .map(({ type, key, revision }) =>
      `${type} ${splitKey(key).resource} ${splitKey(key).name} at ${revision}`);
  return { entries: history.applied() - index - new Set(aged.map(({ revision }) => revision)).size, written };
}

export function checkAnswered({ machines, heap, report }: World): void {
  for (const { life, name } of machines) {
    for (const { request, sinceMs } of life?.clients.waiting() ?? []) {
      if (heap.nowMs() - sinceMs > forgottenMs) {
        report('answered', `${name} has not answered ${lineOf(request)}`);
      }
    }
  }
}

const lineOf = ({ method, path }: SimRequest): string => `${method} ${path}`;

export function viewOf({ machines, checker: { history, containers } }: World): ConvergenceView {
  return {
    history, containers, lost: machines.filter(({ lost }) => lost).map(({ name }) => name),
    machines: machines.filter(({ lost }) => !lost).map(({ name, life, traffic, host }) => {
      const caughtUp = life !== null && life.peer.phase() === 'running';
      return {
        name, log: caughtUp ? life.peer.log() : null, applied: caughtUp ? life.peer.state().revision : 0,
        routes: traffic.routes(), sandboxes: host.inspect().sandboxes,
      };
    }),
  };
}

/** The digest of the committed state, for comparing runs. */
export const digestOfRun = ({ world }: RunResult): string => digestOf(world.checker.history.state);
