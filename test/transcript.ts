// Transcript tests: a file holds commands, their input, and under `----` what they print. A reader sees
// input and output side by side; `npm run rewrite` redraws the outputs, and the diff is then read by a
// person. The format is that of etcd-io/raft's data-driven tests:
//
//     # a comment
//     command argument key=value
//     input lines, if any
//     ----
//     the output
//     (an empty line ends it)

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';

export interface TranscriptCommand {
  readonly name: string;
  /** Words without `=`, in order. */
  readonly words: readonly string[];
  /** `key=value` words. */
  readonly options: Readonly<Record<string, string>>;
  readonly input: string;
}

type Handler = (command: TranscriptCommand) => string;

/** Registers one test per `.txt` file of the folder. Each file gets a fresh handler, so files don't mix. */
export function transcripts(
  test: (name: string, body: () => void) => void, folder: string, makeHandler: () => Handler,
): void {
  const names = readdirSync(folder).filter((name) => name.endsWith('.txt')).sort();
  if (names.length === 0) throw new Error(`no transcripts in ${folder}`);
  for (const name of names) test(name, () => check(join(folder, name), makeHandler()));
}

function check(path: string, handler: Handler): void {
  const text = readFileSync(path, 'utf8');
  const redrawn = replay(text, handler);
  if (process.env['REWRITE'] === '1') writeFileSync(path, redrawn);
  else assert.fixture(redrawn, text, `${path} differs; \`npm run rewrite\` redraws it`);
}

/** The whole file again, with the outputs that the handler gives now. */
function replay(text: string, handler: Handler): string {
  const out: string[] = [];
  const lines = text.split('\n');
  for (let at = 0; at < lines.length;) {
    const line = lines[at] ?? '';
    if (line.trim() === '' || line.startsWith('#')) {
      out.push(line);
      at += 1;
      continue;
    }
    const head = at;
    while (at < lines.length && lines[at] !== '----') at += 1;
    const block = lines.slice(head, at);
    at += 1;
    while (at < lines.length && lines[at] !== '') at += 1;
    const output = handler(parse(block)).replace(/\n+$/, '').split('\n').map((l) => (l === '' ? '·' : l));
    out.push(...block, '----', ...output);
  }
  return out.join('\n');
}

function parse(block: readonly string[]): TranscriptCommand {
  const [name = '', ...rest] = (block[0] ?? '').trim().split(/\s+/);
  const options: Record<string, string> = {};
  const words: string[] = [];
  for (const word of rest) {
    const eq = word.indexOf('=');
    if (eq > 0) options[word.slice(0, eq)] = word.slice(eq + 1);
    else words.push(word);
  }
  return { name, words, options, input: block.slice(1).join('\n') };
}
