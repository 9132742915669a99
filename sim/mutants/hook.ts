// Puts a mutant into this process: given to Node with `--import`, it replaces the mutant's text while the
// patched modules are loaded, so that everything loaded afterwards runs with the bug.
// What always holds: without a mutant in the environment nothing is changed; a patch that does not fit, or a
// mutant that nobody knows, ends the process before anything runs.

import { registerHooks } from 'node:module';
import { mutantNamed, mutantVariable } from './list.ts';
import { patchedSources } from './mutant.ts';
import type { Mutant } from './mutant.ts';

const name = process.env[mutantVariable] ?? '';
if (name !== '') install(mutantNamed(name));

function install(mutant: Mutant): void {
  const sources = patchedSources(mutant);
  registerHooks({
    load(url, context, next) {
      const source = sources.get(url);
      // Types are still taken out of it, as of any other source.
      return source === undefined ? next(url, context)
        : { format: 'module-typescript', source, shortCircuit: true };
    },
  });
}
