// How a process of the simulator is started, with a mutant in it or without. A mutant is put in while modules
// are loaded, so it needs a process that has it from its first moment on. What always holds: a process has a
// mutant or none, and says which by its environment; a mutant that nobody knows is refused before any run.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BadInput } from './artefact.ts';

export interface Launch {
  readonly execArgv: readonly string[];
  readonly env: Readonly<NodeJS.ProcessEnv>;
}

const extension = extname(import.meta.url);
/** The simulator's command, from the sources or from dist. */
export const mainFile = fileURLToPath(new URL(`./main${extension}`, import.meta.url));
const hookFile = new URL('./mutants/hook.ts', import.meta.url);
const quiet = '--disable-warning=ExperimentalWarning';
/** What this process itself was started with and its like are not. */
const ownArgv = process.execArgv.filter((each, at, all) =>
  each !== quiet && each !== '--import' && all[at - 1] !== '--import');

export async function launchWith(mutant: string | null): Promise<Launch> {
  if (mutant === null) return { execArgv: [quiet, ...ownArgv], env: process.env };
  if (extension !== '.ts' || !existsSync(hookFile)) {
    throw new BadInput('mutants are patches of the sources: run them from a checkout');
  }
  const { mutants, mutantVariable } = await import('./mutants/list.ts');
  if (!mutants.some(({ name }) => name === mutant)) {
    const known = mutants.map(({ name }) => name).join(', ');
    throw new BadInput(`there is no mutant "${mutant}"; there are ${known}`);
  }
  return {
    execArgv: [quiet, ...ownArgv, '--import', hookFile.href],
    env: { ...process.env, [mutantVariable]: mutant },
  };
}

/** Starts this very command again in a process that has the mutant, if this one has not. False: it has. */
export async function ranElsewhere(mutant: string | null): Promise<boolean> {
  if (mutant === null) return false;
  const { mutantVariable } = await import('./mutants/list.ts');
  if (process.env[mutantVariable] === mutant) return false;
  const { execArgv, env } = await launchWith(mutant);
  const child = spawn(process.execPath, [...execArgv, mainFile, ...process.argv.slice(2)],
    { stdio: 'inherit', env });
  process.exitCode = await new Promise<number>((done, fail) => {
    child.on('error', fail);
    child.on('close', (code) => done(code ?? 1));
  });
  return true;
}
