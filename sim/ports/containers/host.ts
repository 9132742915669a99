// What a simulated machine holds: sandboxes and containers, as the runtime knows them.

import type { ContainerFact, SandboxFact } from '../../../cluster/ports.ts';
import type { Behaviour } from './behaviour.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export type SimSandbox = Mutable<SandboxFact>;

export interface SimContainer extends Mutable<ContainerFact> {
  readonly behaviour: Behaviour;
  readonly output: { readonly wallMs: number; readonly line: string }[];
  /** Those who wait for it to stop. */
  readonly stopping: (() => void)[];
  /** When SIGKILL comes; Infinity while nobody wants it to stop. */
  killAtMs: number;
}

/** What the runtime tells of a container. */
export function factOf(container: SimContainer): ContainerFact {
  const { behaviour: _b, output: _o, stopping: _s, killAtMs: _k, ...fact } = container;
  return fact;
}
