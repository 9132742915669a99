// What a simulated program does, written into its container's environment:
//
//     SIM_EXIT_AFTER_MS   it ends by itself after so long; without it, it runs until it is stopped
//     SIM_EXIT_CODE       the code with which it ends by itself (0)
//     SIM_OOM             `1`: that end is an out-of-memory kill, code 137
//     SIM_TERM_CODE       the code with which it ends on SIGTERM (143)
//     SIM_IGNORE_TERM     `1`: it takes no notice of SIGTERM
//     SIM_START_ERROR     it can't be started, for this reason
//     SIM_PRINT           what it prints when it starts; lines are separated by `|`
//     SIM_PRINT_LATER     more that it prints, SIM_PRINT_AFTER_MS later
//     SIM_PRINT_ENV       names, separated by `|`: it prints `NAME=value` for each when it starts
//     SIM_MESSAGE         its termination message
//     SIM_LISTEN          the ports that it listens on, separated by `|`
//     SIM_CPU_MILLI       thousandths of a core that it uses all the time (1)
//     SIM_MEMORY_MIB      MiB of memory that it uses (8)

import type { ContainerSpec } from '../../../cluster/ports.ts';

export interface Behaviour {
  readonly exitAfterMs: number | null;
  readonly exitCode: number;
  readonly oom: boolean;
  readonly termCode: number;
  readonly ignoresTerm: boolean;
  readonly startError: string;
  readonly prints: readonly string[];
  readonly printsLater: readonly string[];
  readonly printsAfterMs: number;
  readonly message: string;
  readonly listens: readonly number[];
  readonly cpuMilli: number;
  readonly memoryBytes: number;
}

export function behaviourOf(spec: ContainerSpec): Behaviour {
  const env = new Map(spec.env.map(({ name, value }) => [name, value]));
  const words = (name: string): readonly string[] =>
    (env.get(name) ?? '').split('|').filter((word) => word !== '');
  const number = (name: string): number | null => (env.has(name) ? Number(env.get(name)) : null);
  const oom = env.get('SIM_OOM') === '1';
  return {
    exitAfterMs: number('SIM_EXIT_AFTER_MS'),
    exitCode: number('SIM_EXIT_CODE') ?? (oom ? 137 : 0),
    oom,
    termCode: number('SIM_TERM_CODE') ?? 143,
    ignoresTerm: env.get('SIM_IGNORE_TERM') === '1',
    startError: env.get('SIM_START_ERROR') ?? '',
    prints: [
      ...words('SIM_PRINT'),
      ...words('SIM_PRINT_ENV').map((name) => `${name}=${env.get(name) ?? ''}`),
    ],
    printsLater: words('SIM_PRINT_LATER'), printsAfterMs: number('SIM_PRINT_AFTER_MS') ?? 0,
    message: env.get('SIM_MESSAGE') ?? '',
    listens: words('SIM_LISTEN').map(Number),
    cpuMilli: number('SIM_CPU_MILLI') ?? 1,
    memoryBytes: (number('SIM_MEMORY_MIB') ?? 8) * 1024 * 1024,
  };
}
