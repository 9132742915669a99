// The three kinds of patch: `json`, `merge`, or `strategic KIND`, with the object above `---` and the patch
// below it. The results of strategic patches are those of `kubectl patch --local`, which carries Kubernetes'
// own code.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse, stringify } from 'yaml';
import { canonicalText } from '../../cluster/canonical.ts';
import { isPatchRefusal, jsonPatch } from '../../cluster/api/patch/json.ts';
import type { PatchRefusal } from '../../cluster/api/patch/json.ts';
import { mergePatch } from '../../cluster/api/patch/merge.ts';
import { strategicPatch } from '../../cluster/api/patch/strategic.ts';
import { resourceTable } from '../../cluster/api/resources/index.ts';
import { limits } from '../../cluster/limits.ts';
import { createRandom } from '../../cluster/random.ts';
import type { Random } from '../../cluster/random.ts';
import { transcripts } from '../transcript.ts';
import type { TranscriptCommand } from '../transcript.ts';

type Json = Parameters<typeof jsonPatch>[0];

function run({ name, words, input }: TranscriptCommand): string {
  const [above = '', below = ''] = input.split(/^---$/m);
  const target = parse(above) as Json, patch = parse(below) as Json;
  const before = JSON.stringify([target, patch]);
  const result = patched(name, target, patch, words[0] ?? '');
  assert.is(JSON.stringify([target, patch]), before, 'neither the object nor the patch is changed');
  if (isPatchRefusal(result)) return `${result.code} ${result.refused}`;
  return stringify(result, { lineWidth: 0 });
}

function patched(name: string, target: Json, patch: Json, kind: string): Json | PatchRefusal {
  switch (name) {
    case 'json': return jsonPatch(target, patch);
    case 'merge': return mergePatch(target, patch);
    case 'strategic': {
      const resource = resourceTable.find((each) => each.kind === kind);
      if (resource === undefined) throw new Error(`no kind ${kind}`);
      return strategicPatch(target, patch, resource.schema);
    }
    default: throw new Error(`no such command: ${name}`);
  }
}

transcripts((name, body) => test(`transcript ${name}`, body), 'test/data/patch', () => run);

test('a JSON patch has a bounded number of operations', () => {
  const operations = Array.from({ length: limits.patchOperationsMax + 1 },
    () => ({ op: 'test', path: '/a', value: 1 }));
  const refused = jsonPatch({ a: 1 }, operations);
  assert.ok(isPatchRefusal(refused) && refused.code < 500);
  assert.equal(jsonPatch({ a: 1 }, operations.slice(1)), { a: 1 });
});

// ── laws ─────────────────────────────────────────────────────────────────────────────────────────────────

const names = ['a', 'b', 'c', 'metadata', '__proto__', 'constructor', 'x/y', 'm~n', ''];

function randomJson(random: Random, depth: number): Json {
  const kind = random.below(depth <= 0 ? 4 : 6);
  if (kind === 0) return null;
  if (kind === 1) return random.below(3);
  if (kind === 2) return random.below(2) === 0;
  if (kind === 3) return names[random.below(names.length)] ?? '';
  if (kind === 4) return Array.from({ length: random.below(4) }, () => randomJson(random, depth - 1));
  return randomObject(random, depth);
}

function randomObject(random: Random, depth: number): Json {
  const fields = Array.from({ length: random.below(4) }, () =>
    [names[random.below(names.length)] ?? '', randomJson(random, depth - 1)] as const);
  return Object.fromEntries(fields.filter(([name]) => name !== '__proto__'));
}

const isObject = (value: Json): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** RFC 7386, section 2, as it is written there: the reference that the implementation is compared with. */
function mergeByTheBook(target: Json, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: Record<string, Json> = isObject(target) ? { ...target as Record<string, Json> } : {};
  for (const [name, value] of Object.entries(patch as Record<string, Json>)) {
    if (value === null) delete result[name];
    else result[name] = mergeByTheBook(Object.hasOwn(result, name) ? result[name] ?? null : null, value);
  }
  return result;
}

test('merge patches do what RFC 7386 says, and the same again', () => {
  const random = createRandom(7);
  for (let n = 0; n < 3_000; n++) {
    const target = randomJson(random, 3), patch = randomJson(random, 3);
    const once = mergePatch(target, patch);
    assert.is(canonicalText(once), canonicalText(mergeByTheBook(target, patch)));
    assert.is(canonicalText(mergePatch(once, patch)), canonicalText(once));
  }
});

test('a JSON patch that adds, tests and removes gives back what was there', () => {
  const random = createRandom(8);
  const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');
  for (let n = 0; n < 3_000; n++) {
    const target = randomObject(random, 3), value = randomJson(random, 2);
    const name = names[random.below(names.length)] ?? '', path = `/${escaped(name)}`;
    const result = jsonPatch(target,
      [{ op: 'add', path, value }, { op: 'test', path, value }, { op: 'remove', path }]);
    if (name === '__proto__') assert.ok(isPatchRefusal(result), 'no way to a prototype');
    else {
      const others = Object.entries(target as Record<string, Json>).filter(([each]) => each !== name);
      const without: Json = Object.fromEntries(others);
      assert.is(canonicalText(result), canonicalText(without));
    }
    assert.is(({} as Record<string, unknown>)['a'], undefined);
  }
});

test('patches made of anything are answered, never thrown at', () => {
  const random = createRandom(9), schema = resourceTable.find(({ kind }) => kind === 'Pod')?.schema;
  if (schema === undefined) throw new Error('no Pod');
  for (let n = 0; n < 3_000; n++) {
    const target = randomObject(random, 4), patch = randomJson(random, 4);
    const strategic = strategicPatch(target, patch, schema);
    for (const result of [jsonPatch(target, patch), mergePatch(target, patch), strategic]) {
      assert.ok(result === null || JSON.stringify(result) !== undefined);
    }
  }
});

test.run();
