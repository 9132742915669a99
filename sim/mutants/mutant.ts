// What a mutant is: a real bug as a patch of the sources, with the oracle that must find it and the plans
// that bring it out. Mutants prove the simulator: one that lives shows what no oracle sees or no fault
// reaches.
//
// What always holds: a patch is text that is replaced while a module is loaded, in a worker process of the
// simulator alone, so nothing of any mutant is in the product; each edit's text occurs exactly once.

import { readFileSync } from 'node:fs';
import type { FaultClass } from '../faults.ts';
import type { OracleName } from '../check/oracle.ts';

export const areas = ['raft', 'gossip', 'api', 'scheduler', 'controllers'] as const;
export type Area = (typeof areas)[number];

export interface Edit {
  /** From the root of the sources: `cluster/log/read.ts`. */
  readonly file: string;
  /** Occurs in the file exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** Which plans are drawn for a mutant, where they are not the usual ones. */
export interface Draw {
  readonly peers?: number;
  readonly minutes?: number;
  readonly classes?: readonly FaultClass[];
  /** The bug shows while there are faults, or not at all: what comes after them is left out. */
  readonly chaosOnly?: true;
}

export interface Mutant {
  readonly name: string;
  readonly area: Area;
  /** The bug, as the issue or a book would name it. */
  readonly what: string;
  readonly edits: readonly Edit[];
  /** The oracle that must kill it. */
  readonly oracle: OracleName;
  readonly draw?: Draw;
}

/** The sources that the mutant changes, by URL. Throws where its patch does not fit them. */
export function patchedSources({ edits }: Mutant): ReadonlyMap<string, string> {
  return new Map([...new Set(edits.map(({ file }) => file))].map((file) => {
    const url = new URL(file, root);
    return [url.href, patched(readFileSync(url, 'utf8'), edits.filter((edit) => edit.file === file))];
  }));
}

const root = new URL('../../', import.meta.url);

/** The text with all edits of this file made. Throws where one does not fit exactly once. */
export function patched(text: string, edits: readonly Edit[]): string {
  return edits.reduce((now, { file, find, replace }) => {
    const parts = now.split(find);
    if (parts.length === 2) return parts.join(replace);
    throw new Error(`${file}: found ${parts.length - 1} times, not once: ${find}`);
  }, text);
}
