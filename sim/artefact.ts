// What a failed run leaves: one JSON file from which it can be run again, bit for bit, on another machine. It
// holds the whole plan and not only the seed, because a later version draws another plan from the seed.
// What always holds: what is read is checked, so that a file that is none of ours is refused with a reason.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isCanary } from './canary.ts';
import type { Canary } from './canary.ts';
import { oracles } from './check/oracle.ts';
import type { Violation } from './check/oracle.ts';
import { checkPlan, PlanError } from './faults/check.ts';
import type { FaultPlan } from './faults.ts';

export interface Artefact {
  readonly version: 1;
  readonly plan: FaultPlan;
  readonly canary: Canary | null;
  readonly mutant: string | null;
  readonly violation: Violation | null;
  /** Of the trace, 16 hex digits. */
  readonly hash: string;
  /** Of the sources, `+` after it if they were changed; the version where there is no repository. */
  readonly commit: string;
  /** SHA-256 of package-lock.json, in hex; empty where there is none. */
  readonly lock: string;
  /** As in `v24.1.0`. */
  readonly node: string;
}

/** What was asked for is wrong, and how: for whoever asked, without a stack. */
export class BadInput extends Error {}

/** What was run, and with which sources, packages and Node. */
export type Provenance = Pick<Artefact, 'commit' | 'lock' | 'node'>;

/** A file that says what to run: an artefact, or a bare plan. */
export interface Recipe extends Pick<Artefact, 'plan' | 'canary' | 'mutant'> {
  /** Null for a plan. */
  readonly recorded: Artefact | null;
  /** It takes a run without faults beside it: that is how it failed. */
  readonly twin: boolean;
}

const root = findRoot();

/** Reads an artefact. Throws `BadInput` where it is none. */
export function readArtefact(path: string): Artefact {
  const { recorded } = readRecipe(path);
  if (recorded === null) {
    throw new BadInput(`${path} is a plan, not an artefact: nothing is recorded of a run of it`);
  }
  return recorded;
}

/** Reads an artefact or a plan. Throws `BadInput` where it is neither. */
export function readRecipe(path: string): Recipe {
  const value = readJson(path);
  const refuse = (why: string): never => { throw new BadInput(`${path} ${why}`); };
  if (!isRecord(value)) return refuse('is neither an artefact nor a plan: not a JSON object');
  if (value['version'] !== 1) return refuse(`has version ${JSON.stringify(value['version'])}, not 1`);
  const { plan } = value;
  if (plan === undefined) {
    const wrong = wrongWithPlan(value);
    if (wrong !== null) return refuse(`is neither an artefact nor a plan: ${wrong}`);
    return { plan: value as unknown as FaultPlan, canary: null, mutant: null, recorded: null, twin: false };
  }
  const wrong = (isRecord(plan) ? wrongWithPlan(plan) : 'it is not an object');
  if (wrong !== null) return refuse(`holds a plan that is none: ${wrong}`);
  const wrongRest = wrongWithRecord(value);
  if (wrongRest !== null) return refuse(`is no artefact: ${wrongRest}`);
  const recorded = value as unknown as Artefact;
  const twin = recorded.violation?.oracle === 'same-end-state';
  return { plan: recorded.plan, canary: recorded.canary, mutant: recorded.mutant, recorded, twin };
}

/** Writes it, making the folder if need be. Throws `BadInput` where that can't be. */
export function writeArtefact(
  path: string, outcome: Omit<Artefact, 'version' | keyof Provenance>, from: Provenance = provenance(),
): void {
  const { plan, canary, mutant, violation, hash } = outcome;
  const artefact: Artefact = { version: 1, plan, canary, mutant, violation, hash, ...from };
  writeJson(path, artefact);
}

export function writeJson(path: string, value: unknown): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
  } catch (error) {
    throw new BadInput(`${path} can't be written: ${messageOf(error)}`);
  }
}

/** Of the code that runs now. */
export function provenance(): Provenance {
  const lockFile = join(root, 'package-lock.json');
  const lock = existsSync(lockFile) ? createHash('sha256').update(readFileSync(lockFile)).digest('hex') : '';
  return { commit: commitOf(), lock, node: process.version };
}

/** What of it is not as it was, in words; empty if nothing is. */
export function differences(was: Provenance, is: Provenance): string[] {
  const lines: string[] = [];
  if (was.commit !== is.commit) lines.push(`commit ${was.commit}, now ${is.commit}`);
  else if (is.commit.endsWith('+')) lines.push(`commit ${is.commit}: changed sources, then or now`);
  if (was.lock !== is.lock) lines.push('another package-lock.json');
  if (was.node !== is.node) lines.push(`Node ${was.node}, now ${is.node}`);
  return lines;
}

function commitOf(): string {
  const git = (...args: string[]): string | null => {
    const { status, stdout } = spawnSync('git', ['-C', root, ...args], { encoding: 'utf8' });
    return status === 0 ? stdout.trim() : null;
  };
  const top = git('rev-parse', '--show-prefix'), commit = git('rev-parse', 'HEAD');
  // A prefix: the package lies inside somebody else's repository, whose commit says nothing of it.
  if (top !== '' || commit === null) return packageVersion();
  return git('status', '--porcelain', '--untracked-files=no') === '' ? commit : `${commit}+`;
}

/** For manifests and artefacts outside of a repository: `v1.2.3`. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return `v${version}`;
}

/** The package's folder: from the sources one folder up, from dist two. */
function findRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const found = [join(here, '..'), join(here, '..', '..')]
    .find((each) => existsSync(join(each, 'package.json')));
  if (found === undefined) throw new Error('package.json of shoal not found beside its code');
  return found;
}

function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new BadInput(`${path} can't be read: ${messageOf(error)}`);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new BadInput(`${path} is no JSON: ${messageOf(error)}`);
  }
}

/** What keeps it from being a plan that a world can run; null if nothing does. */
function wrongWithPlan(plan: Readonly<Record<string, unknown>>): string | null {
  try {
    checkPlan(plan);
    return null;
  } catch (error) {
    if (error instanceof PlanError) return error.message;
    throw error;
  }
}

function wrongWithRecord(value: Readonly<Record<string, unknown>>): string | null {
  const { canary, mutant, violation } = value;
  if (canary !== null && !(typeof canary === 'string' && isCanary(canary))) {
    return `there is no canary ${JSON.stringify(canary)}`;
  }
  if (mutant !== null && typeof mutant !== 'string') return '"mutant" is neither null nor a name';
  for (const name of ['hash', 'commit', 'lock', 'node']) {
    if (typeof value[name] !== 'string') return `"${name}" is missing`;
  }
  if (violation === null) return null;
  if (!isRecord(violation)) return '"violation" is missing';
  const { oracle, message, atMs, event } = violation;
  if (typeof oracle !== 'string' || !Object.hasOwn(oracles, oracle)) {
    return `there is no oracle ${JSON.stringify(oracle)}`;
  }
  const whole = typeof message === 'string' && typeof atMs === 'number' && typeof event === 'number';
  return whole ? null : '"violation" lacks its message, time or event';
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
