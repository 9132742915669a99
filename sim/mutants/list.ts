// All mutants, in the order of the kill matrix.

import { apiMutants } from './api.ts';
import { controllerMutants } from './controllers.ts';
import { gossipMutants } from './gossip.ts';
import type { Mutant } from './mutant.ts';
import { raftMutants } from './raft.ts';
import { schedulerMutants } from './scheduler.ts';

export const mutants: readonly Mutant[] = [
  ...raftMutants, ...gossipMutants, ...apiMutants, ...schedulerMutants, ...controllerMutants,
];

/** The environment variable that tells `hook.ts` which mutant this process is to have. */
export const mutantVariable = 'SHOAL_SIM_MUTANT';

export function mutantNamed(name: string): Mutant {
  const found = mutants.find((each) => each.name === name);
  if (found === undefined) throw new Error(`there is no mutant "${name}"`);
  return found;
}
