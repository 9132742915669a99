// Keeps the house as it is drawn: which folder may import which, what the core may not touch, how large a
// file may grow, that nothing lies about unused. It reads the sources as text, comments and strings put
// aside.

import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

interface Source { readonly path: string; readonly text: string; readonly code: string;
  readonly imports: readonly string[] }

const folders = ['cluster', 'actors', 'runtime', 'sim', 'test', 'bench', 'tools'];
const sources: readonly Source[] = folders.flatMap((folder) =>
  globSync(`${folder}/**/*.ts`)).sort().map(read);
const core = sources.filter((source) => /^(cluster|actors)\//.test(source.path));

/** Which folders each folder may import from. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  cluster: ['cluster'],
  actors: ['cluster', 'actors'],
  runtime: ['cluster', 'actors', 'runtime'],
  sim: ['cluster', 'actors', 'sim'],
  test: ['cluster', 'actors', 'runtime', 'sim', 'test', 'bench', 'tools'],
  bench: ['cluster', 'actors', 'runtime', 'sim', 'test', 'bench'],
  tools: ['cluster', 'tools'],
};

/** Packages without a door to the world, by folder of the core. */
const purePackages: Readonly<Record<string, readonly string[]>> = {
  cluster: ['msgpackr', 'yaml', '@noble/curves', '@noble/hashes', 're2js'],
  actors: ['xstate', 'yaml', '@noble/hashes'],
};

/** Files that are started, not imported. */
const entries = [/^runtime\/cli\/shoal\.ts$/, /^sim\/main\.ts$/, /^bench\/main\.ts$/, /^test\/run\.ts$/,
  /^tools\/\w+\/main\.ts$/, /^test\/conformance\/main\.ts$/, /^test\/e2e\/fuzz-main\.ts$/,
  /^sim\/mutants\/(hook|worker)\.ts$/,
  /^sim\/page\/client\/main\.ts$/,
  /\.test\.ts$/];

/** What the core may not touch, and why. */
const bans: readonly { readonly pattern: RegExp; readonly why: string; readonly except?: RegExp }[] = [
  { pattern: /\bDate\.now\b|\bnew Date\(\)|\bperformance\b/, why: 'ambient time' },
  { pattern: /\bMath\.random\b|\bcrypto\b|\brandomUUID\b/, why: 'ambient randomness' },
  { pattern: /(?<![.\w])(setTimeout|setInterval|setImmediate|queueMicrotask)\s*\((?!fn)/,
    why: 'ambient timers' },
  { pattern: /\basync\b|\bawait\b|\bPromise\b|\.then\(/, why: 'promises' },
  { pattern: /\bprocess\.|\bconsole\.|\bBuffer\b|\bglobalThis\b/, why: 'the process around it' },
  { pattern: /\blocaleCompare\b|\btoLocale\w+|\bIntl\b/, why: 'the locale' },
  { pattern: /\bWeakRef\b|\bFinalizationRegistry\b/, why: 'the garbage collector' },
];

const everywhere: readonly { readonly pattern: RegExp; readonly why: string }[] = [
  { pattern: /(:|<|\bas)\s*any\b(?!['"])/, why: '`any`' },
  { pattern: /@ts-ignore|@ts-nocheck|@ts-expect-error/, why: 'silenced type errors' },
  { pattern: /^\s*(export\s+)?(const\s+)?enum\s/m, why: 'enums' },
];

const badNames = /(^|\/)(utils?|helpers?|common|misc|manager|base)(\.ts|\/|$)/;
const linesMax = 500, columnsMax = 110, functionLinesMax = 70;

test('imports run one way: cluster ← actors ← (runtime | sim) ← test', () => {
  const wrong = sources.flatMap((source) => source.imports.filter((to) =>
    to.startsWith('.')).flatMap((to) => {
    const target = resolve(source.path, to);
    return arrows[top(source.path)]?.includes(top(target)) ? [] : [`${source.path} imports ${target}`];
  }));
  assert.equal(wrong, []);
});

test('the core imports only packages that have no door to the world', () => {
  const wrong = core.flatMap((source) => source.imports.filter((to) => !to.startsWith('.')).flatMap((to) => {
    const allowed = purePackages[top(source.path)] ?? [];
    return allowed.some((name) => to === name || to.startsWith(`${name}/`))
      ? [] : [`${source.path} imports ${to}`];
  }));
  assert.equal(wrong, []);
});

test('the core touches no ambient time, randomness, timers, promises or process', () => {
  const wrong = core.flatMap((source) => bans.flatMap(({ pattern, why }) => {
    const hit = pattern.exec(source.code);
    return hit === null ? [] : [`${source.path}: ${why}: ${hit[0]}`];
  }));
  assert.equal(wrong, []);
});

test('no any, no silenced type errors, no enums', () => {
  const wrong = sources.flatMap((source) => everywhere.flatMap(({ pattern, why }) => {
    const hit = pattern.exec(why === 'silenced type errors' ? source.text : source.code);
    return hit === null || source.path === 'test/tidy.test.ts' ? [] : [`${source.path}: ${why}: ${hit[0]}`];
  }));
  assert.equal(wrong, []);
});

test('no file is named for nothing', () => {
  assert.equal(sources.map((source) => source.path).filter((path) => badNames.test(path)), []);
});

test(`files have at most ${linesMax} lines of ${columnsMax} columns and open with what they are`, () => {
  const wrong = sources.flatMap((source) => {
    const lines = source.text.split('\n');
    const wide = lines.findIndex((line) => line.length > columnsMax);
    return [
      ...lines.length > linesMax + 1 ? [`${source.path}: ${lines.length} lines`] : [],
      ...wide >= 0 ? [`${source.path}:${wide + 1}: ${lines[wide]?.length} columns`] : [],
      ...source.text.startsWith('//') || source.text.startsWith('#!')
        ? [] : [`${source.path}: no opening comment`],
    ];
  });
  assert.equal(wrong, []);
});

test(`functions have at most ${functionLinesMax} lines`, () => {
  assert.equal(sources.filter(({ path }) => !path.startsWith('test/')).flatMap(longFunctions), []);
});

test('every file is imported by another, or is started', () => {
  const imported = new Set(sources.flatMap((source) => source.imports.filter((to) => to.startsWith('.'))
    .map((to) => resolve(source.path, to))));
  const lonely = sources.map((source) => source.path)
    .filter((path) => !imported.has(path) && !entries.some((entry) => entry.test(path)));
  assert.equal(lonely, []);
});

test('every test file runs its tests', () => {
  const silent = sources.filter((source) => source.path.endsWith('.test.ts')
    && !/\btest\.run\(\)/.test(source.code));
  assert.equal(silent.map((source) => source.path), []);
});

test.run();

function read(path: string): Source {
  const text = readFileSync(path, 'utf8');
  const imported =
    /^\s*(?:import|export)\b[^'";]*?from\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)|^import '([^']+)'/gm;
  const imports = [...text.matchAll(imported)]
    .map((match) => match[1] ?? match[2] ?? match[3] ?? '');
  return { path, text, code: bare(text), imports };
}

/** The text without comments and without the insides of strings, lines kept. */
function bare(text: string): string {
  const comment = /\/\*[\s\S]*?\*\/|\/\/[^\n]*/;
  const string = /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/;
  // A slash begins a regular expression only where a value may begin.
  const expression = /(?<=[=(,:[!&|?{};]\s*)\/(?![*/])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/;
  const pattern = new RegExp([comment, string, expression].map(({ source }) => source).join('|'), 'g');
  return text.replace(pattern, (found) => found.startsWith('/') ? found.replace(/[^\n]/g, ' ') : "''");
}

function top(path: string): string { return path.split('/')[0] ?? ''; }

function resolve(from: string, to: string): string { return normalize(join(dirname(from), to)); }

/**
 * Functions by their first line's indent: from a line that opens a function's body to the line that closes it
 * at the same indent. A factory that only holds closures is measured by its parts: nested functions don't
 * count.
 */
function longFunctions(source: Source): string[] {
  const lines = source.code.split('\n'), open: { indent: number; from: number; inner: number }[] = [],
    found: string[] = [];
  lines.forEach((line, at) => {
    const indent = line.search(/\S/);
    if (indent < 0) return;
    const last = open.at(-1);
    if (last !== undefined && indent === last.indent && line.trimStart().startsWith('}')) {
      open.pop();
      const size = at - last.from + 1, own = size - last.inner;
      if (own > functionLinesMax) found.push(`${source.path}:${last.from + 1}: ${own} lines`);
      const outer = open.at(-1);
      if (outer !== undefined) outer.inner += size;
    }
    if (/\{$/.test(line.trimEnd()) && /\bfunction\b|=>\s*\{$/.test(line)) open.push({ indent, from: at,
      inner: 0 });
  });
  return found;
}
