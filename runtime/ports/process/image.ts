// What the embedded runtime can run: programs of this machine (`shoal.dev/host`) and its built-in images.
// What always holds: any other image is refused with words that say what can be run, and what is needed for
// the rest.

import { accessSync, constants, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { ContainerSpec } from '../../../cluster/ports.ts';

/** A program that Shoal brings along: its entry point is `path` and `args`. */
export interface Builtin {
  readonly path: string;
  readonly args: readonly string[];
  /** What follows unless the container has arguments of its own. */
  readonly defaultArgs?: readonly string[];
}

/** By full reference, e.g. `shoal.dev/hello:1`. */
export type Builtins = Readonly<Record<string, Builtin>>;

const hostImage = /^shoal\.dev\/host(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$/;

/** Empty where it can't be run. */
export function imageId(image: string, builtins: Builtins): string {
  if (hostImage.test(image)) return 'host';
  const name = builtinName(image, builtins);
  return name === null ? '' : `builtin:${name}`;
}

function builtinName(image: string, builtins: Builtins): string | null {
  return [image, `${image}:latest`].find((name) => Object.hasOwn(builtins, name)) ?? null;
}

export function refusal(image: string, builtins: Builtins): string {
  const own = Object.keys(builtins).sort().join(', ');
  return `image "${image}" needs Docker, which does not run on this machine: the embedded runtime runs only `
    + `the machine's own programs (image "shoal.dev/host", with a command)${own === '' ? '' : ` and ${own}`}`;
}

/** The words to execute: the image's entry point unless the container has a command, then its arguments. */
export function commandLine(spec: ContainerSpec, builtins: Builtins): readonly string[] {
  const name = builtinName(spec.image, builtins);
  const builtin = name === null ? undefined : builtins[name];
  if (spec.command.length > 0 || builtin === undefined) return [...spec.command, ...spec.args];
  return [builtin.path, ...builtin.args, ...(spec.args.length > 0 ? spec.args : builtin.defaultArgs ?? [])];
}

/** The program's absolute path, found as a shell would in this PATH; null where there is none. */
export function findProgram(name: string, path: string, workingDir: string): string | null {
  const candidates = name.includes('/') ? [isAbsolute(name) ? name : join(workingDir, name)]
    : path.split(':').map((place) => join(isAbsolute(place) ? place : join(workingDir, place), name));
  return candidates.find(isProgram) ?? null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
