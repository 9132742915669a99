// Values of the command line's flags, and flags that several commands share. What always holds: a value that
// is wrong is refused with what would be right.

import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { canaries, isCanary } from '../canary.ts';
import type { Canary } from '../canary.ts';
import { drawPlan, faultClasses } from '../faults.ts';
import type { FaultClass, FaultPlan } from '../faults.ts';

/** What plans are drawn with. */
export interface DrawFlags {
  readonly peers: number;
  readonly minutes: number;
  readonly classes?: readonly FaultClass[];
  readonly canary?: Canary;
  readonly mutant?: string;
}

export const peersMax = 200, minutesMax = 1_000, workersMax = 64;

/** `--peers`, `--minutes`, `--classes`, `--canary`, `--mutant`. */
export function drawFlags(command: Command): Command {
  return command
    .option('--peers <n>', 'how many peers', integer(1, peersMax), 5)
    .option('--minutes <n>', 'simulated minutes', minutes, 10)
    .option('--classes <list>', `draw faults of these classes only: ${faultClasses.join(', ')}`, classes)
    .option('--canary <name>', `break something on purpose: ${Object.keys(canaries).join(', ')}`, canary)
    .option('--mutant <name>', 'put a known bug into the code: `sim mutants` lists them');
}

export const workersOption = ['--workers <n>', 'processes at a time', integer(1, workersMax), 1] as const;

export function draw(number: number, flags: DrawFlags): FaultPlan {
  const { peers, minutes: length, classes: allowed } = flags;
  return drawPlan(number, { peers, minutes: length, ...allowed === undefined ? {} : { classes: allowed } });
}

/** The flags that `draw` was called with, for a command to be printed. */
export function drawText(flags: DrawFlags): string {
  const { peers, minutes: length, classes: allowed, canary: name, mutant } = flags;
  return [
    `--peers ${peers} --minutes ${length}`, ...allowed === undefined ? [] : [`--classes ${allowed.join()}`],
    ...name === undefined ? [] : [`--canary ${name}`],
    ...mutant === undefined ? [] : [`--mutant ${mutant}`],
  ].join(' ');
}

export function integer(low: number, high: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (text.trim() === '' || !Number.isInteger(n) || n < low || n > high) {
      throw new InvalidArgumentError(`It must be a whole number, ${low} to ${high}.`);
    }
    return n;
  };
}

export const seed = integer(0, Number.MAX_SAFE_INTEGER);

export function minutes(text: string): number {
  const n = Number(text);
  if (!(n > 0 && n <= minutesMax)) {
    throw new InvalidArgumentError(`It must be more than 0 and at most ${minutesMax}.`);
  }
  return n;
}

export function classes(text: string): FaultClass[] {
  const wanted = text.split(',').filter((word) => word !== '');
  const unknown = wanted.find((word) => !(faultClasses as readonly string[]).includes(word));
  if (unknown !== undefined) {
    throw new InvalidArgumentError(`"${unknown}" is none of ${faultClasses.join(', ')}.`);
  }
  return wanted as FaultClass[];
}

export function canary(text: string): Canary {
  if (!isCanary(text)) {
    throw new InvalidArgumentError(`"${text}" is none of ${Object.keys(canaries).join(', ')}.`);
  }
  return text;
}

export function range(text: string): readonly [number, number] {
  const [, a, b] = /^(\d+)\.\.(\d+)$/.exec(text) ?? [];
  const from = Number(a), to = Number(b);
  if (!(from <= to) || !Number.isSafeInteger(to)) {
    throw new InvalidArgumentError('It must be two numbers with two dots between, as 1..1000.');
  }
  return [from, to];
}

/** `10%` or `0.1`. */
export function share(text: string): number {
  const [, digits, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  const n = Number(digits) / (percent === '%' ? 100 : 1);
  if (!(n > 0 && n <= 1)) throw new InvalidArgumentError('It must be a share, as 10% or 0.1.');
  return n;
}
