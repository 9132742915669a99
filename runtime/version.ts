// The version that peers, clients and `shoal --version` are told: from package.json, so that there is one.

import { readFileSync } from 'node:fs';

/** From the sources it lies one folder up, from dist two. */
function find(): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as
        { name: string; version: string };
      if (name === 'shoal') return `v${version}`;
    } catch { /* not here: look one folder further up */ }
  }
  throw new Error('package.json of shoal not found beside its code');
}

export const version = find();
