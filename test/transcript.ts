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
  /** As it is written. */
  readonly line: string;
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

/** The same for handlers that answer later; one command after the other. */
export function laterTranscripts(
  test: (name: string, body: () => Promise<void>) => void, folder: string,
  makeHandler: (file: string) => (command: TranscriptCommand) => Promise<string>,
): void {
  for (const name of readdirSync(folder).filter((each) => each.endsWith('.txt')).sort()) {
    test(name, async () => {
      const path = join(folder, name), text = readFileSync(path, 'utf8'), handler = makeHandler(name);
      const outputs: string[] = [];
      for (const part of split(text)) if (typeof part !== 'string') outputs.push(await handler(parse(part)));
      compare(path, text, outputs);
    });
  }
}

function check(path: string, handler: Handler): void {
  const text = readFileSync(path, 'utf8');
  const outputs = split(text).flatMap((part) => (typeof part === 'string' ? [] : [handler(parse(part))]));
  compare(path, text, outputs);
}

function compare(path: string, text: string, outputs: readonly string[]): void {
  let at = 0;
  const redrawn = split(text).flatMap((part) => {
    if (typeof part === 'string') return [part];
    const output = (outputs[at++] ?? '').replace(/\n+$/, '').split('\n');
    return [...part, '----', ...output.map((line) => (line === '' ? '·' : line))];
  }).join('\n');
  if (process.env['REWRITE'] === '1') writeFileSync(path, redrawn);
  else assert.fixture(redrawn, text, `${path} differs; \`npm run rewrite\` redraws it`);
}

/** The file's empty lines and comments as they are, and its commands without their outputs. */
function split(text: string): readonly (string | readonly string[])[] {
  const parts: (string | readonly string[])[] = [], lines = text.split('\n');
  for (let at = 0; at < lines.length;) {
    const line = lines[at] ?? '';
    if (line.trim() === '' || line.startsWith('#')) {
      parts.push(line);
      at += 1;
      continue;
    }
    const head = at;
    while (at < lines.length && lines[at] !== '----') at += 1;
    parts.push(lines.slice(head, at));
    at += 1;
    while (at < lines.length && lines[at] !== '') at += 1;
  }
  return parts;
}

function parse(block: readonly string[]): TranscriptCommand {
  const line = (block[0] ?? '').trim(), [name = '', ...rest] = line.split(/\s+/);
  const options: Record<string, string> = {};
  const words: string[] = [];
  for (const word of rest) {
    const eq = word.indexOf('=');
    if (eq > 0) options[word.slice(0, eq)] = word.slice(eq + 1);
    else words.push(word);
  }
  return { line, name, words, options, input: block.slice(1).join('\n') };
}
