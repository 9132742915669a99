// Puts a mutant into this process: given to Node with `--import`, it replaces the mutant's text while the
// patched modules are loaded, so that everything loaded afterwards runs with the bug.
// What always holds: without a mutant in the environment nothing is changed; a patch that does not fit, or a
// mutant that nobody knows, ends the process before anything runs.

import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { mutantNamed, mutantVariable } from './list.ts';
import { patched } from './mutant.ts';
import type { Mutant } from './mutant.ts';

const name = process.env[mutantVariable] ?? '';
if (name !== '') install(mutantNamed(name));

function install({ edits }: Mutant): void {
  const root = new URL('../../', import.meta.url);
  const files = new Set(edits.map(({ file }) => file));
  const sources = new Map([...files].map((file) => {
    const url = new URL(file, root);
    return [url.href, patched(readFileSync(url, 'utf8'), edits.filter((edit) => edit.file === file))];
  }));
  registerHooks({
    load(url, context, next) {
      const source = sources.get(url);
      // Types are still taken out of it, as of any other source.
      return source === undefined ? next(url, context)
        : { format: 'module-typescript', source, shortCircuit: true };
    },
  });
}
