// `sim mutants`: puts known bugs into the code, one at a time, and says whether the oracles find them. The
// kill matrix is written to a page for people, and to JSON beside it, from which single rows are redrawn.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { BadInput } from '../artefact.ts';
import { launchWith } from '../launch.ts';
import { hunt } from '../mutants/hunt.ts';
import type { Hunt } from '../mutants/hunt.ts';
import { mutants } from '../mutants/list.ts';
import { emptyMatrix, matrixPage, plansText, readMatrix, withRows } from '../mutants/matrix.ts';
import type { Matrix } from '../mutants/matrix.ts';
import { areas, patchedSources } from '../mutants/mutant.ts';
import type { Area, Mutant } from '../mutants/mutant.ts';
import { integer, minutes, peersMax, workersMax } from './options.ts';

interface MutantsFlags {
  readonly area?: Area;
  readonly batches: number;
  readonly seeds: number;
  readonly workers: number;
  readonly minutes?: number;
  readonly peers?: number;
  readonly json?: string;
  readonly write?: string;
  readonly list?: boolean;
  /** Commander's opposite of `--no-hunt`. */
  readonly hunt: boolean;
}

const batchesMax = 1_000, seedsMax = 10_000;

export function mutantsCommand(): Command {
  return new Command('mutants')
    .description('put known bugs into the code, one at a time: does the oracle named for each find it?')
    .argument('[names...]', 'mutants; all without it')
    .addOption(new Option('--area <area>', 'those of one area').choices(areas))
    .option('--batches <n>', 'independent batches of seeds', integer(1, batchesMax), 20)
    .option('--seeds <n>', 'seeds of a batch, at most', integer(1, seedsMax), 200)
    .option('--workers <n>', 'processes at a time', integer(1, workersMax), 2)
    .option('--minutes <n>', 'simulated minutes, in place of each mutant\'s own', minutes)
    .option('--peers <n>', 'how many peers, in place of each mutant\'s own', integer(1, peersMax))
    .option('--json <file>', 'results, kept and updated (with --write: the page\'s name with .json)')
    .option('--write <file>', 'draw the kill matrix: docs/mutants.md')
    .option('--no-hunt', 'draw what is known, without running anything')
    .option('--list', 'list the mutants and end')
    .addHelpText('after', `
A mutant is killed if the oracle that is named for it speaks in at least 95 % of the batches, in each within
--seeds seeds. Exit code 1: one lives.

Examples
  sim mutants --list
  sim mutants no-pre-vote --batches 4
  sim mutants --area raft --write docs/mutants.md`)
    .action(run);
}

async function run(names: readonly string[], flags: MutantsFlags): Promise<void> {
  const chosen = choose(names, flags.area);
  if (flags.list === true) return list(chosen);
  // Refused at once where that can't be, and not in the midst of a hunt.
  for (const mutant of chosen) await launchWith(mutant.name);
  for (const mutant of chosen) checkPatch(mutant);
  const json = flags.json ?? flags.write?.replace(/(\.md)?$/, '.json');
  let matrix = json === undefined ? emptyMatrix : load(json);
  const hunts: Hunt[] = [];
  for (const mutant of flags.hunt ? chosen : []) {
    const found = await huntOne(mutant, flags);
    hunts.push(found);
    // Row by row, for a hunt takes long and may be ended.
    matrix = withRows(matrix, [found]);
    save(matrix, json, flags.write);
  }
  if (!flags.hunt) save(withRows(matrix, []), json, flags.write);
  const alive = hunts.filter(({ killed }) => !killed);
  if (flags.hunt) console.log(`${hunts.length} mutants, ${hunts.length - alive.length} killed`);
  process.exitCode = alive.length > 0 ? 1 : 0;
}

function choose(names: readonly string[], area: Area | undefined): readonly Mutant[] {
  const unknown = names.find((name) => !mutants.some((each) => each.name === name));
  if (unknown !== undefined) throw new BadInput(`there is no mutant "${unknown}" (--list names them)`);
  return mutants.filter((each) => (names.length === 0 || names.includes(each.name))
    && (area === undefined || each.area === area));
}

function checkPatch(mutant: Mutant): void {
  try {
    patchedSources(mutant);
  } catch (error) {
    throw new BadInput(`the patch of ${mutant.name} does not fit the sources: ${String(error)}`);
  }
}

function list(chosen: readonly Mutant[]): void {
  for (const mutant of chosen) {
    console.log(`${mutant.name} (${mutant.area}): ${mutant.what}\n  killed by ${mutant.oracle}; `
      + `${plansText(mutant)}\n  ${[...new Set(mutant.edits.map(({ file }) => file))].join(', ')}`);
  }
}

async function huntOne(mutant: Mutant, flags: MutantsFlags): Promise<Hunt> {
  const { batches, seeds, workers } = flags;
  const startedMs = performance.now();
  const found = await hunt(mutant, {
    batches, seeds, workers, ...flags.peers === undefined ? {} : { peers: flags.peers },
    ...flags.minutes === undefined ? {} : { minutes: flags.minutes },
  });
  const took = Math.round((performance.now() - startedMs) / 1000);
  const { killed, kills, run: ended, seeds: median, events, lost, example, others } = found;
  const word = killed ? 'KILLED' : 'LIVES ';
  console.log(`${word} ${mutant.name} by ${mutant.oracle} in ${kills} of ${ended} batches`
    + (median === null ? '' : `, ${median} seeds, ${events} events`) + `, ${took} s`);
  if (lost !== null) console.log(`       a batch was lost: ${lost}`);
  if (example !== null) console.log(`       seed ${example.seed}: ${example.message}`);
  for (const [oracle, { seeds: many, first, message }] of Object.entries(others)) {
    console.log(`       ${oracle} in ${many} seeds, as ${first}: ${message}`);
  }
  return found;
}

function load(file: string): Matrix {
  if (!existsSync(file)) return emptyMatrix;
  try {
    return readMatrix(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new BadInput(`${file}: ${error instanceof Error ? error.message : 'unreadable'}`);
  }
}

function save(matrix: Matrix, json: string | undefined, page: string | undefined): void {
  try {
    if (json !== undefined) writeFileSync(json, `${JSON.stringify(matrix, null, 2)}\n`);
    if (page !== undefined) writeFileSync(page, matrixPage(matrix));
  } catch (error) {
    throw new BadInput(error instanceof Error ? error.message : 'the results cannot be written');
  }
}
