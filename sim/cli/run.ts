// `sim run`, and what `sim` does without a command: one run. It prints the plan first, then the verdict.

import { Command } from 'commander';
import { readRecipe, writeArtefact } from '../artefact.ts';
import type { Recipe } from '../artefact.ts';
import type { FaultPlan } from '../faults.ts';
import { ranElsewhere } from '../launch.ts';
import { eventText, noteLine, notesText, planText, verdictText } from '../report.ts';
import { runPlan } from '../run.ts';
import type { RunResult } from '../run.ts';
import { draw, drawFlags, drawText, range, seed, workersOption } from './options.ts';
import type { DrawFlags } from './options.ts';
import { swarm } from './swarm.ts';

interface RunFlags extends DrawFlags {
  readonly seed: number;
  readonly trace?: boolean;
  readonly twin?: boolean;
  readonly plan?: string;
  readonly save?: string;
  readonly seeds?: readonly [number, number];
  readonly workers: number;
  readonly keepGoing?: boolean;
}

/** What peers said last, before a violation: so many lines. */
const notesMax = 40;

export function runCommand(): Command {
  return drawFlags(new Command('run')
    .description('run one seed, or one plan: its faults, then a verdict')
    .option('--seed <n>', 'which run', seed, 1)
    .option('--trace', 'print a line per event')
    .option('--twin', 'run the same without faults too, and compare the ends')
    .option('--plan <file>', 'run this plan, or that of this artefact, instead of drawing one')
    .option('--save <file>', 'write an artefact: the plan, to be edited or replayed, and what came of it'))
    .option('--seeds <a..b>', 'the same as `sim swarm`', range)
    .option(...workersOption)
    .option('--keep-going', 'of `--seeds`: do not end at the first failure')
    .action(run);
}

async function run(flags: RunFlags): Promise<void> {
  const { seeds, save } = flags;
  if (seeds !== undefined) return swarm({ ...flags, seeds });
  const recipe = withFlags(flags.plan === undefined ? bare(draw(flags.seed, flags)) : readRecipe(flags.plan),
    flags);
  if (await ranElsewhere(recipe.mutant)) return;
  const again = flags.plan === undefined ? `--seed ${flags.seed} ${drawText(flags)}` : `--plan ${flags.plan}`;
  const rest = recipe.twin ? '--twin --trace' : '--trace';
  const result = perform(recipe, flags.trace === true, `sim run ${again} ${rest}`);
  if (save !== undefined) writeArtefact(save, { ...recipe, ...result });
  process.exitCode = result.violation === null ? 0 : 1;
}

const bare = (plan: FaultPlan): Recipe =>
  ({ plan, canary: null, mutant: null, recorded: null, twin: false });

const withFlags = (recipe: Recipe, { canary, mutant, twin }: RunFlags): Recipe => ({
  ...recipe, canary: canary ?? recipe.canary, mutant: mutant ?? recipe.mutant, twin: twin ?? recipe.twin,
});

/** Runs it in this process and prints everything. */
export function perform({ plan, canary, twin }: Recipe, trace: boolean, again: string): RunResult {
  console.log(planText(plan));
  const startedMs = performance.now();
  const traced = !trace ? {} : {
    onEvent: (line: Parameters<typeof eventText>[0]) => console.log(eventText(line)),
    onNote: (note: Parameters<typeof noteLine>[0]) => console.log(noteLine(note)),
  };
  const result = runPlan(plan, { canary, ...traced, ...twin ? { twin } : {} });
  if (result.violation !== null && !trace) console.log(notesText(result, notesMax));
  console.log(verdictText(result, performance.now() - startedMs, again));
  return result;
}
