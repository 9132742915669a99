// The programs that the contract of the containers port runs, and how a shell says them. The simulated
// runtime says them in its own way.

import { readdirSync, readFileSync } from 'node:fs';
import type { ContainerSpec } from '../../cluster/ports.ts';

/** What a container's program is to do; each adapter's harness knows how to say it to its runtime. */
export type Program =
  /** Prints `ready`, runs until SIGTERM, then ends at once (with any exit code). */
  | { readonly does: 'run' }
  /** Prints `ready`, takes no notice of SIGTERM. */
  | { readonly does: 'ignore-term' }
  /** Prints the lines, waits, exits with the code. */
  | {
      readonly does: 'exit'; readonly code: number; readonly afterMs: number;
      readonly lines: readonly string[];
    }
  /** Prints `NAME=value` for each name, in order, and exits with 0. */
  | { readonly does: 'print-env'; readonly names: readonly string[] }
  /** Prints `ready`, and later the lines; runs until SIGTERM. */
  | { readonly does: 'late'; readonly afterMs: number; readonly lines: readonly string[] }
  /** Prints `ready`, and sends back on each connection to the port what comes; runs until it is killed. */
  | { readonly does: 'serve'; readonly port: number };

/** What one more program in a container is to do. */
export type ExecProgram =
  /** Says what it is told until there is no more. */
  | { readonly does: 'cat' }
  | { readonly does: 'echo' | 'echo-error'; readonly text: string }
  | { readonly does: 'exit'; readonly code: number }
  /** Says nothing and goes on; the mark is part of its words. */
  | { readonly does: 'sleep'; readonly mark: number }
  /** Says `rows columns` whenever its terminal has another size. */
  | { readonly does: 'size' }
  | { readonly does: 'unknown' };

export type Launch = Pick<ContainerSpec, 'image' | 'command' | 'args'>
  & { readonly env?: ContainerSpec['env'] };

/** All that `serve` needs differs from machine to machine. */
export function shellOf(program: Exclude<Program, { does: 'serve' }>): string {
  switch (program.does) {
    case 'run': return "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    case 'ignore-term': return "trap '' TERM; echo ready; while :; do sleep 1; done";
    case 'exit': return [
      ...program.lines.map((line) => `echo '${line}'`),
      `sleep ${program.afterMs / 1000}`, `exit ${program.code}`,
    ].join('; ');
    case 'late': return [
      "trap 'exit 0' TERM", 'echo ready', `sleep ${program.afterMs / 1000}`,
      ...program.lines.map((line) => `echo '${line}'`), 'while :; do sleep 0.05; done',
    ].join('; ');
    case 'print-env': return program.names.map((name) => `printf '%s=%s\\n' ${name} "$${name}"`).join('; ');
  }
}

export function shellWords(program: ExecProgram): readonly string[] {
  const sh = (script: string): readonly string[] => ['/bin/sh', '-c', script];
  switch (program.does) {
    case 'cat': return ['cat'];
    case 'echo': return ['echo', program.text];
    case 'echo-error': return sh(`echo '${program.text}' >&2`);
    case 'exit': return sh(`exit ${program.code}`);
    // The shell stays beside it: all of a program is ended, not its first process alone.
    case 'sleep': return sh(`sleep ${program.mark}; :`);
    case 'size': return sh('last=; while :; do now=$(stty size); [ "$now" = "$last" ] || echo "$now"; '
      + 'last=$now; sleep 0.05; done');
    case 'unknown': return ['no-such-program'];
  }
}

/** How many processes of this machine sleep for so many seconds. */
export function sleepers(mark: number): number {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').includes(String(mark));
    } catch {
      return false;
    }
  }).length;
}
