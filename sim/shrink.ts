// From a plan that fails, a small one that fails still: fewer faults first (ddmin), then fewer users, fewer
// peers, plainer choices, and faults that strike fewer; all over again until nothing gets smaller. It works
// because the fate of each message and the doings of each user are drawn by themselves: taking one thing out
// leaves the others as they were. What always holds: a candidate counts only if the same oracle speaks; what
// is returned was run and failed so; the search ends by itself, or at its bound of runs or of time.

import { ddmin } from './ddmin.ts';
import type { FirstFailing } from './ddmin.ts';
import { checkPlan, PlanError } from './faults/check.ts';
import type { FaultPlan } from './faults.ts';
import { lists, plainer, withoutPeer } from './simpler.ts';
import type { Job, Outcome } from './worker.ts';

export interface ShrinkOptions {
  readonly job: Job;
  /** Of a run of that job: it has a violation. */
  readonly outcome: Outcome;
  /** Runs a job; null if it has no outcome. */
  readonly run: (job: Job) => Promise<Outcome | null>;
  /** How many may run at once. The answer is the same with any number, if no bound is met. */
  readonly lanes: number;
  readonly runsMax: number;
  /** Asked before each run: no more runs once it says so. */
  readonly timeIsUp: () => boolean;
  readonly onProgress: (progress: ShrinkProgress) => void;
}

export type Phase = 'faults' | 'users' | 'peers' | 'choices' | 'parts of faults';

export interface ShrinkProgress { readonly phase: Phase; readonly runs: number; readonly plan: FaultPlan;
  readonly users: number }

export interface Shrunk {
  readonly plan: FaultPlan;
  /** Of a run of that plan. */
  readonly outcome: Outcome;
  readonly runs: number;
  /** False if a bound ended the search: there may be smaller ones. */
  readonly finished: boolean;
}

/** A candidate may take this much longer to fail than the plan that was given, before it is given up. */
const patienceTimes = 2, patienceMs = 30_000;

export async function shrink(options: ShrinkOptions): Promise<Shrunk> {
  const { onProgress } = options;
  const search = createSearch(options);
  let phase: Phase = 'faults';
  const progress = (): void => {
    onProgress({ phase, runs: search.runs(), plan: search.best().plan, users: search.best().users.length });
  };
  const phases: readonly (readonly [Phase, (search: Search) => Promise<void>])[] = [
    ['faults', fewerFaults], ['users', fewerUsers], ['peers', fewerPeers], ['choices', plainerChoices],
    ['parts of faults', smallerFaults],
  ];
  search.onRun = progress;
  for (let before: FaultPlan | null = null; before !== search.best().plan && !search.isOver();) {
    before = search.best().plan;
    for (const [name, work] of phases) {
      phase = name;
      progress();
      await work(search);
    }
  }
  const { plan, outcome } = search.best();
  return { plan, outcome, runs: search.runs(), finished: !search.isOver() };
}

interface Best { readonly plan: FaultPlan; readonly outcome: Outcome; readonly users: readonly string[] }

interface Search {
  best(): Best;
  runs(): number;
  /** A bound was met. */
  isOver(): boolean;
  /** Makes the first of the candidates that fails the best. False if there is none. */
  improve(candidates: readonly FaultPlan[]): Promise<boolean>;
  /** The same for sublists. */
  among<T>(planOf: (items: readonly T[]) => FaultPlan): FirstFailing<T>;
  onRun: () => void;
}

function createSearch({ job, outcome, run, lanes, runsMax, timeIsUp }: ShrinkOptions): Search {
  const wanted = outcome.violation?.oracle;
  const untilMs = (outcome.violation?.atMs ?? 0) * patienceTimes + patienceMs;
  const known = new Map<string, Outcome | null>();
  let best: Best = { plan: job.plan, outcome, users: outcome.users };
  let runs = 0, over = false;

  /** What came of it, if the same oracle spoke. */
  async function attempt(plan: FaultPlan): Promise<Outcome | null> {
    const key = JSON.stringify(plan), before = known.get(key);
    if (before !== undefined) return before;
    if (!canBeRun(plan)) return null;
    if (runs >= runsMax || timeIsUp()) {
      over = true;
      return null;
    }
    runs += 1;
    const found = await run({ ...job, plan, untilMs });
    const failed = found?.violation?.oracle === wanted ? found : null;
    known.set(key, failed);
    search.onRun();
    return failed;
  }

  /** Several at once, but the first in order wins, so that it makes no difference which ended first. */
  async function firstFailing(candidates: readonly FaultPlan[]): Promise<number | null> {
    let next = 0, winner: number | null = null;
    const outcomes: (Outcome | null)[] = [];
    const lane = async (): Promise<void> => {
      while (next < candidates.length && winner === null && !over) {
        const at = next;
        next += 1;
        const found = await attempt(candidates[at] as FaultPlan);
        outcomes[at] = found;
        if (found !== null && at < (winner ?? Infinity)) winner = at;
      }
    };
    await Promise.all(Array.from({ length: Math.max(1, lanes) }, lane));
    if (winner === null) return null;
    const plan = candidates[winner] as FaultPlan, found = outcomes[winner] as Outcome;
    best = { plan, outcome: found, users: found.users };
    return winner;
  }

  const search: Search = {
    best: () => best, runs: () => runs, isOver: () => over, onRun: () => undefined,
    improve: async (candidates) => await firstFailing(candidates) !== null,
    among: (planOf) => (sublists) => firstFailing(sublists.map(planOf)),
  };
  return search;
}

/** What no hand could write is no answer: a late founder, say, where the one before it was taken out. */
function canBeRun(plan: FaultPlan): boolean {
  try {
    checkPlan(plan);
    return true;
  } catch (error) {
    if (error instanceof PlanError) return false;
    throw error;
  }
}

async function fewerFaults(search: Search): Promise<void> {
  const { plan } = search.best();
  await ddmin(plan.faults, search.among((faults) => ({ ...plan, faults })));
}

async function fewerUsers(search: Search): Promise<void> {
  const { plan, users } = search.best();
  await ddmin(users, search.among((fewer) => ({ ...plan, users: fewer })));
}

/** The last first: taking it out moves no other peer. */
async function fewerPeers(search: Search): Promise<void> {
  for (;;) {
    const { plan } = search.best();
    const candidates = plan.clocks.flatMap((_, at) => {
      const candidate = withoutPeer(plan, plan.peers - at);
      return candidate === null ? [] : [candidate];
    });
    if (!await search.improve(candidates)) return;
  }
}

async function plainerChoices(search: Search): Promise<void> {
  for (;;) {
    const { plan, outcome } = search.best();
    if (!await search.improve(plainer(plan, outcome.violation?.atMs ?? 0))) return;
  }
}

async function smallerFaults(search: Search): Promise<void> {
  for (let at = 0; at < lists(search.best().plan).length; at += 1) {
    const list = lists(search.best().plan)[at];
    if (list !== undefined) await ddmin(list.items, search.among(list.with), 1);
  }
}
