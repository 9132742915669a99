// `sim replay FILE`: runs an artefact or a plan again, and says whether it is the run that was recorded.
// What always holds: exit code 1 if an oracle speaks, or if the same code gives another trace than recorded.

import { Command } from 'commander';
import { differences, provenance, readRecipe } from '../artefact.ts';
import type { Artefact, Provenance } from '../artefact.ts';
import type { Violation } from '../check/oracle.ts';
import { ranElsewhere } from '../launch.ts';
import { perform } from './run.ts';

export function replayCommand(): Command {
  return new Command('replay')
    .description('run an artefact or a plan again, and compare the traces')
    .argument('<file>', 'written by `run --save`, `swarm --save-failures` or `shrink`')
    .option('--trace', 'print a line per event')
    .action(replay);
}

async function replay(file: string, { trace }: { readonly trace?: boolean }): Promise<void> {
  const recipe = readRecipe(file);
  if (await ranElsewhere(recipe.mutant)) return;
  const result = perform(recipe, trace === true, `sim replay ${file} --trace`);
  const verdict = compare(recipe.recorded, result, provenance());
  console.log(verdict.text);
  process.exitCode = result.violation === null && !verdict.wrong ? 0 : 1;
}

/** In words, and whether it can't be: what is the same in everything must have the same trace. */
export function compare(
  was: Artefact | null, is: { readonly hash: string; readonly violation: Violation | null }, now: Provenance,
): { readonly text: string; readonly wrong: boolean } {
  if (was === null) return { text: 'a bare plan: there is no trace to compare with', wrong: false };
  if (was.hash === '') {
    return { text: 'the recorded run had no end: there is no trace to compare with', wrong: false };
  }
  if (was.hash === is.hash) return { text: 'the same trace as recorded, bit for bit', wrong: false };
  const changed = differences(was, now);
  const wanted = was.violation?.oracle ?? 'a pass', found = is.violation?.oracle ?? 'a pass';
  return {
    text: [
      `another trace than recorded: ${was.hash} then, ${is.hash} now`,
      `  verdict: ${wanted} then, ${found === wanted ? 'the same' : found} now`,
      ...changed.length === 0
        ? ['  commit, packages and Node are the same: the run is not deterministic; see `sim check`']
        : changed.map((each) => `  ${each}`),
    ].join('\n'),
    wrong: changed.length === 0,
  };
}
