// The page's script as one text: the modules of `client/`, types taken out, one after the other in the order
// in which they need each other. Nothing is bundled by a tool, so that a page can be written wherever the
// simulator runs. What always holds: names at the top of these modules differ, for they share one scope; what
// is imported comes before what imports it.

import { existsSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';

/** From the sources, or from `dist`, where types are gone already. */
export function pageScript(): string {
  const sources = new URL('./client/main.ts', import.meta.url);
  const entry = existsSync(fileURLToPath(sources)) ? sources : new URL('./client/main.js', import.meta.url);
  const seen = new Set<string>(), parts: string[] = [];
  add(entry, seen, parts);
  return parts.join('\n');
}

export const pageStyle = (): string => readFileSync(new URL('./style.css', import.meta.url), 'utf8');

const importing = /^import\s[^;]*?from\s+'([^']+)';[^\S\n]*\n?/gm;

function add(file: URL, seen: Set<string>, parts: string[]): void {
  if (seen.has(file.href)) return;
  seen.add(file.href);
  const source = readFileSync(file, 'utf8');
  const plain = file.pathname.endsWith('.ts') ? withoutTypes(source) : source;
  for (const [, path] of plain.matchAll(importing)) add(new URL(path as string, file), seen, parts);
  parts.push(plain.replace(importing, '').replace(/^export\s+(?=(const|let|function|async|class)\b)/gm, '')
    // Types leave blanks where they were.
    .replace(/[^\S\n]+$/gm, '').replace(/^\s*\/\/.*\n/gm, '').replace(/\n{2,}/g, '\n'));
}

/** Node says at the first call that it is experimental: of no use to whoever reads the output. */
function withoutTypes(source: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => { /* Not said. */ };
  try {
    return stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
}
