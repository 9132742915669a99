// Which conformance tests the project's own tests cover: each that does says so by the test's name, in a
// comment or as its own name. A citation may go on over several lines of a comment.
//
// What always holds: a name that begins like another is not taken for it; only what is in the test files as
// they are counts.

import { globSync, readFileSync } from 'node:fs';
import { keyOf } from './names.ts';

export interface Citations {
  /** By key, the files that cite it, sorted. */
  readonly files: ReadonlyMap<string, readonly string[]>;
  /** What looks like a citation and is in no list: `file: text`. */
  readonly unknown: readonly string[];
}

/** `keys`: of all tests that there are. */
export function citations(keys: readonly string[]): Citations {
  const folders = ['unit', 'e2e', 'scenario', 'contract', 'sim', 'data'];
  const paths = folders.flatMap((folder) => globSync(`test/${folder}/**/*.{ts,txt,yaml}`))
    .filter((path) => !/^test\/(data\/conformance\/|unit\/conformance\.)/.test(path)).sort();
  const files = new Map<string, string[]>(), unknown: string[] = [];
  for (const path of paths) {
    const found = citedIn(readFileSync(path, 'utf8'), keys);
    for (const key of found.cited) files.set(key, [...files.get(key) ?? [], path]);
    unknown.push(...found.unknown.map((text) => `${path}: ${text}`));
  }
  return { files, unknown };
}

export function citedIn(
  text: string, keys: readonly string[],
): { readonly cited: readonly string[]; readonly unknown: readonly string[] } {
  const longestFirst = [...keys].sort((a, b) => b.length - a.length || (a < b ? -1 : 1));
  const cited = new Set<string>(), unknown: string[] = [];
  // A line break within a comment is a space; the names in a file begin with their SIG.
  const flat = text.replace(/\n[ \t]*(#|\/\/|\*)?[ \t]*/g, ' ');
  for (const piece of flat.split(/(?=\[sig-)/).slice(1)) {
    const key = keyOf(piece.slice(0, 400));
    const found = longestFirst.find((each) => key.startsWith(each) && !/^\w/.test(key.slice(each.length)));
    if (found === undefined) unknown.push(piece.slice(0, 100));
    else cited.add(found);
  }
  return { cited: [...cited].sort(), unknown };
}
