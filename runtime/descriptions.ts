// What the kinds and their fields are for, in Kubernetes' own words, as the types of the installed client
// library (`@kubernetes/client-node`) tell it: `kubectl explain` shows it. A file is read when its definition
// is asked for, which is when an OpenAPI document is made, and nothing of it is kept: documents are.
//
// What always holds: whatever is not there, or not as expected, is left out; nothing throws.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { makeAhead } from '../cluster/api/openapi/definitions.ts';
import type { Description, Descriptions } from '../cluster/api/request.ts';

const library = '@kubernetes/client-node';

let found: Descriptions | null | undefined;

/** Null where the library is not installed. */
export const installedDescriptions = (): Descriptions | null => found ??= find();

function find(): Descriptions | null {
  try {
    const entry = createRequire(import.meta.url).resolve(library), dist = dirname(entry);
    const manifest = JSON.parse(readFileSync(join(dist, '..', 'package.json'), 'utf8')) as unknown;
    const { version } = manifest as { version: string };
    return { edition: `${library} ${version}`, of: (name) => describe(join(dist, 'gen', 'models'), name) };
  } catch {
    return null;
  }
}

/** Makes what OpenAPI documents are made of, one definition at a time; stops by itself. */
export function makeDefinitionsAhead(): void {
  const descriptions = installedDescriptions();
  if (descriptions === null) return;
  const steps = makeAhead(descriptions);
  const timer = setInterval(() => {
    if (steps.next().done === true) clearInterval(timer);
  }, 20);
  timer.unref();
}

function describe(folder: string, definition: string): Description | null {
  const [type = '', version = '', group = ''] = definition.split('.').reverse();
  const versioned = `${capital(version)}${type}`;
  // Where two groups have a type of one name, the library puts the group before the version.
  for (const model of [`${capital(group)}${versioned}`, versioned]) {
    try {
      return parse(readFileSync(join(folder, `${model}.d.ts`), 'utf8'));
    } catch {
      // There is no such file; the next name, or nothing.
    }
  }
  return null;
}

const capital = (word: string): string => `${word.charAt(0).toUpperCase()}${word.slice(1)}`;

function parse(text: string): Description {
  const type = /\/\*\*\n\* (.*)\n\*\/\nexport declare class/.exec(text)?.[1] ?? '';
  const documented = text.matchAll(/\/\*\*\n {4}\* (.*)\n {4}\*\/\n {4}'([^']+)'\??:/g);
  const fields = [...documented].map(([, words = '', name = '']) => [jsonName(name), plain(words)] as const);
  return { text: plain(type), fields: Object.fromEntries(fields) };
}

/** Words that TypeScript keeps for itself begin with `_`; it has no dashes either. */
const jsonName = (name: string): string => name.replace(/^_/, '').replaceAll('_', '-');

/** Quotes are escaped there as in a string, and the end of a comment is broken up. */
const plain = (words: string): string => words.replace(/\\(['"\\])/g, '$1').replaceAll('*_/', '*/').trim();
