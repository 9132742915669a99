// `sim report FILE`: runs an artefact or a plan again and writes one HTML page about the run, to be opened by
// any browser, offline. What always holds: the page is of the run that was recorded, or the command says that
// it is another; it is written whole or not at all; exit code 0 for a page, whatever the verdict is.

import { renameSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { BadInput, provenance, readRecipe } from '../artefact.ts';
import type { Recipe } from '../artefact.ts';
import { ranElsewhere } from '../launch.ts';
import { pageScript, pageStyle } from '../page/bundle.ts';
import type { Recording } from '../page/data.ts';
import { pageBytesMax, pageText } from '../page/page.ts';
import { itemsMax, record } from '../page/record.ts';
import type { Recorded } from '../page/record.ts';
import { integer } from './options.ts';
import { compare } from './replay.ts';

interface Flags { readonly out: string; readonly events: number; readonly until?: number }

const eventsDefault = 30_000, eventsMin = 100;

export function reportCommand(): Command {
  return new Command('report')
    .description('run an artefact or a plan again, and write a page about it')
    .argument('<file>', 'written by `run --save`, `swarm --save-failures` or `shrink`')
    .option('--out <page>', 'where to write the page', 'report.html')
    .option('--events <n>', 'how many of the last events the page holds',
      integer(eventsMin, itemsMax), eventsDefault)
    .option('--until <seconds>', 'hold the events before this time, not those before the violation',
      integer(0, 60_000))
    .action(report);
}

async function report(file: string, { out, events, until }: Flags): Promise<void> {
  const recipe = readRecipe(file);
  if (await ranElsewhere(recipe.mutant)) return;
  const run = { canary: recipe.canary, ...recipe.twin ? { twin: true } : {} };
  const untilMs = until === undefined ? null : until * 1000;
  const recordLast = (items: number): Recorded =>
    record(recipe.plan, { run, items, untilMs });
  const { recording, result } = recordLast(events);
  const verdict = compare(recipe.recorded, result, provenance());
  const page = boundedPage(withOrigin(recording, recipe, verdict.text), events,
    (items) => withOrigin(recordLast(items).recording, recipe, verdict.text));
  write(out, page);
  const said = result.violation === null ? 'no oracle had anything to say'
    : `${result.violation.oracle} at ${(result.violation.atMs / 1000).toFixed(3)} s`;
  console.log(`${out}: ${said}; ${(Buffer.byteLength(page) / 1e6).toFixed(1)} MB, opens in any browser`);
  if (recipe.recorded !== null) console.log(verdict.text);
}

/** Fewer events until the page is small enough. */
function boundedPage(recording: Recording, events: number, again: (items: number) => Recording): string {
  const script = pageScript(), style = pageStyle();
  let page = pageText({ recording, script, style });
  for (let items = events; Buffer.byteLength(page) > pageBytesMax && items > eventsMin;) {
    items = Math.max(eventsMin, Math.floor(items / 2));
    page = pageText({ recording: again(items), script, style });
  }
  return page;
}

function withOrigin(recording: Recording, { mutant, recorded }: Recipe, comparison: string): Recording {
  const origin: [string, string][] = [];
  if (mutant !== null) origin.push(['mutant', mutant]);
  const { commit, node } = provenance();
  origin.push(['commit', commit.replace(/^([0-9a-f]{10})[0-9a-f]+/, '$1')], ['node', node]);
  if (recorded !== null) origin.push(['against the artefact', comparison.split('\n')[0] ?? '']);
  return { ...recording, facts: [...recording.facts, ...origin] };
}

/** Whole or not at all. */
function write(path: string, text: string): void {
  try {
    writeFileSync(`${path}.part`, text);
    renameSync(`${path}.part`, path);
  } catch (error) {
    throw new BadInput(`${path} can't be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}
