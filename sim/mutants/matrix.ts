// The kill matrix: what came of hunting each mutant, kept as JSON so that single rows can be hunted again,
// and drawn as a table for `docs/`. What always holds: rows stand in the order of the list; a row of a
// mutant that is no more is dropped; what was not hunted yet says so.

import { oracles } from '../check/oracle.ts';
import type { OracleName } from '../check/oracle.ts';
import { usualMinutes, usualPeers } from './batch.ts';
import type { Hunt } from './hunt.ts';
import { mutants } from './list.ts';
import { areas } from './mutant.ts';
import type { Area, Mutant } from './mutant.ts';

export interface Matrix { readonly version: 1; readonly rows: readonly Row[] }

/** As in `Hunt`, with the oracle that was named for the mutant at that time. */
export interface Row extends Hunt { readonly oracle: OracleName }

export const emptyMatrix: Matrix = { version: 1, rows: [] };

/** The text of a matrix's file. Throws where it is none. */
export function readMatrix(text: string): Matrix {
  const value = JSON.parse(text) as Partial<Matrix> | null;
  if (value?.version !== 1 || !Array.isArray(value.rows)) throw new Error('no kill matrix of version 1');
  return value as Matrix;
}

/** With these rows in place of older ones. */
export function withRows({ rows }: Matrix, hunts: readonly Hunt[]): Matrix {
  const found = new Map<string, Row>(rows.map((row) => [row.name, row]));
  for (const { name, oracle } of mutants) {
    const hunt = hunts.find((each) => each.name === name);
    if (hunt !== undefined) found.set(name, { ...hunt, oracle });
  }
  return { version: 1, rows: mutants.flatMap(({ name }) => found.get(name) ?? []) };
}

const titles: Readonly<Record<Area, string>> = {
  raft: 'Raft', gossip: 'Gossip', api: 'API and watch', scheduler: 'Scheduler',
  controllers: 'Controllers and kubelet',
};

/** The page in `docs/`. */
export function matrixPage(matrix: Matrix): string {
  const rows = new Map(matrix.rows.map((row) => [row.name, row]));
  const killed = matrix.rows.filter((row) => row.killed).length;
  return [
    '# The kill matrix', '',
    'Each mutant is a real bug, put into the sources as a worker process of the simulator loads them. It is',
    '*killed* if at least 95 % of independent batches of seeds end with the oracle that is named for it,',
    'each within the number of seeds that the row says. Seeds and events are medians over the batches that',
    'killed it, up to the kill. `sim mutants --list` says which files each patch changes; `sim run --mutant',
    'NAME --seed N`, with the peers, minutes and classes of its plans, runs one seed of it. This page is',
    'drawn by `sim mutants --write docs/mutants.md` from `docs/mutants.json`.', '',
    `${mutants.length} mutants, ${matrix.rows.length} hunted, ${killed} killed.`,
    ...areas.flatMap((area) => ['', `## ${titles[area]}`, '', ...tableOf(area, rows)]),
    '', '## What the oracles claim', '',
    ...namedOracles().map((name) => `- \`${name}\`: ${oracles[name]}`), '',
  ].join('\n');
}

function tableOf(area: Area, rows: ReadonlyMap<string, Row>): string[] {
  return [
    '| mutant | the bug | plans | killed by | batches | seeds | events | others said |',
    '|---|---|---|---|---|---|---|---|',
    ...mutants.filter((each) => each.area === area).map((mutant) => lineOf(mutant, rows.get(mutant.name))),
  ];
}

function lineOf(mutant: Mutant, row: Row | undefined): string {
  const { name, what, oracle } = mutant;
  const verdict = row === undefined ? 'not hunted yet'
    : row.killed ? `\`${oracle}\`` : `**lives** (\`${oracle}\`)`;
  const batches = row === undefined ? '' : `${row.kills} of ${row.run}, ≤ ${row.seedsMax} seeds`;
  const others = Object.entries(row?.others ?? {}).map(([each, { seeds }]) => `\`${each}\` ${seeds}×`);
  const cells = [
    `\`${name}\``, what, plansText(mutant), verdict, batches, row?.seeds ?? '', row?.events ?? '',
    others.join(', '),
  ];
  return `| ${cells.join(' | ')} |`;
}

/** `3 peers, 2 min: crash, power`. */
export function plansText({ draw = {} }: Mutant): string {
  const { peers = usualPeers, minutes = usualMinutes, classes } = draw;
  const faults = classes === undefined ? '' : `: ${classes.join(', ')}`;
  return `${peers} peer${peers === 1 ? '' : 's'}, ${minutes} min${faults}`;
}

const namedOracles = (): OracleName[] => [...new Set(mutants.map(({ oracle }) => oracle))].sort();
