// CEL for Kubernetes: transcripts of expressions and what becomes of them, and thousands of drawn ones.
//
//     set                     variables as YAML; `set typed` below a line `---`: their types
//     eval                    an expression per line
//     ----
//     1 + 1 → 2               errors of compilation as Kubernetes shows them, of evaluation as `error: …`
//
// The answers were compared with those of Kubernetes 1.36's own library when they were drawn.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { compile, errorText, evaluate, Fault, isProgram, Meter } from '../../cluster/api/cel/compile.ts';
import { kubernetesFunctions } from '../../cluster/api/cel/library/kubernetes.ts';
import { types, typeNamed } from '../../cluster/api/cel/types.ts';
import { fromJson } from '../../cluster/api/cel/values.ts';
import type { Value } from '../../cluster/api/cel/values.ts';
import { limits } from '../../cluster/limits.ts';
import { createRandom } from '../../cluster/random.ts';
import { transcripts } from '../transcript.ts';
import type { TranscriptCommand } from '../transcript.ts';
import { shown } from './cel-shown.ts';

type Variables = Readonly<Record<string, unknown>>;

function answer(expression: string, variables: Variables, costs: boolean): string {
  const names = Object.entries(variables);
  const compiled = compile(expression, {
    variables: new Map(names.map(([name]) => [name, types.dyn])), functions: kubernetesFunctions,
  });
  if (!isProgram(compiled)) return `${expression}\n${errorText(expression, compiled)}`;
  const bindings = new Map<string, Value>(names.map(([name, value]) => [name, fromJson(value)]));
  const meter = new Meter(), value = evaluate(compiled, bindings, meter);
  const cost = costs ? `  cost ${meter.cost}` : '';
  return value instanceof Fault ? `${expression} → error: ${value.message}${cost}`
    : `${expression} → ${shown(value)}: ${typeNamed(compiled.type)}${cost}`;
}

function session(): (command: TranscriptCommand) => string {
  let variables: Variables = {};
  return ({ name, options, input }) => {
    if (name === 'set') {
      variables = parse(input) as Variables;
      return Object.keys(variables).join(' ');
    }
    return input.split('\n').map((line) => answer(line, variables, options['cost'] === 'yes')).join('\n');
  };
}

transcripts(test, new URL('../data/cel', import.meta.url).pathname, session);

// ── drawn expressions ────────────────────────────────────────────────────────────────────────────────────

const atoms =
  ['n', 's', 'l', 'm', 'o', 'b', 'd', '1', '2u', '1.5', "'a'", "b'x'", 'true', 'null', '[]', '{}', '[1, 2]',
  "{'a': 1}", 'x', 'undefined', 'm.a', 'o.spec.replicas', "'%s'", "'(a+)+$'", 'optional.none()',
    '-9223372036854775808',
  "timestamp('2020-01-01T00:00:00Z')", "duration('1h')", "quantity('1Gi')", "ip('10.0.0.1')", '__proto__',
  'm.__proto__', 'm.constructor', "m['constructor']"];
const infix = ['+', '-', '*', '/', '%', '==', '!=', '<', '>=', '&&', '||', 'in'];
const members = [...kubernetesFunctions.keys()].filter((name) => name.startsWith('.')).sort();
const globals = [...kubernetesFunctions.keys()].filter((name) => /^[a-z]/i.test(name)).sort();
const macros = ['all', 'exists', 'exists_one', 'map', 'filter', 'transformList', 'transformMap', 'optMap'];

function drawn(random: ReturnType<typeof createRandom>, depth: number): string {
  const pick = <T>(from: readonly T[]): T => from[random.below(from.length)] as T;
  const next = (): string => drawn(random, depth - 1);
  if (depth <= 0) return pick(atoms);
  switch (random.below(11)) {
    case 0: return pick(atoms);
    case 1: case 2: return `(${next()} ${pick(infix)} ${next()})`;
    case 3: return `${next()}${pick(members)}(${random.below(2) === 0 ? '' : next()})`;
    case 4: return `${pick(globals)}(${[next(), next()].slice(0, random.below(3)).join(', ')})`;
    case 5: return `${next()}.${pick(macros)}(x, ${next()})`;
    case 6: return `${next()}.${pick(macros)}(x, y, ${next()})`;
    case 7: return `(${next()} ? ${next()} : ${next()})`;
    case 8: return `${next()}[${next()}]`;
    case 9: return `[${next()}, ${next()}]`;
    default: return `${pick(['!', '-', ''])}${next()}.${pick(['a', '?b', 'spec', 'size()'])}`;
  }
}

const seen: Variables = {
  n: 5, s: 'hello wörld 𝄞', l: [3, 1, 2], m: { a: 1, b: [1, 2] }, b: true, d: 1.5,
  o: { spec: { replicas: 3, template: {} } },
};

test('20,000 drawn expressions neither throw nor exceed what they may cost', () => {
  const random = createRandom(7), variables = new Map(Object.keys(seen).map((name) => [name, types.dyn]));
  const bindings = new Map<string,
    Value>(Object.entries(seen).map(([name, value]) => [name, fromJson(value)]));
  let values = 0;
  for (let round = 0; round < 20_000; round++) {
    const whole = drawn(random, 1 + random.below(4));
    // A third of them are cut or garbled, so that the parser gets its share.
    const at = random.below(whole.length + 1);
    const expression = round % 3 !== 0 ? whole
      : `${whole.slice(0, at)}${'"(\'\\.,\u0000é?'.charAt(round % 10)}${
      whole.slice(at + random.below(3))}`;
    const compiled = compile(expression, { variables, functions: kubernetesFunctions });
    if (!isProgram(compiled)) {
      assert.ok(
        compiled.length > 0 && errorText(expression, compiled).startsWith('ERROR: <input>:'), expression);
      continue;
    }
    const meter = new Meter(2_000, 20_000), value = evaluate(compiled, bindings, meter);
    if (meter.out) assert.is(
      value instanceof Fault && value.message, 'operation cancelled: actual cost limit exceeded');
    else values += 1;
    if (!(value instanceof Fault)) assert.type(shown(value), 'string');
  }
  assert.ok(values > 2_000, `${values} were evaluated`);
});

test('what would take for ever is stopped', () => {
  const many = Array.from({ length: 1_000 }, (_, at) => ({ name: `item-${at}`, more: { a: [1, 2, 3] } }));
  const variables: Variables = { many, long: 'a'.repeat(100_000) };
  const stopped = ['many.all(a, many.all(b, many.all(c, many == many)))', 'many.map(a, many.map(b, many))',
    "many.all(a, long.replace('a', long) != '')", "many.all(a, long.matches('(a|aa)+$'))",
    `many.map(a, [${'long + '.repeat(20)}long])`, `${'long.split("").map(a, '.repeat(4)}1${')'.repeat(4)}`,
    "many.all(a, !long.matches(a.name + '" + `${'(ab{20}c)'.repeat(100)}'))`,
    `optional.of(long)${Array.from({ length: 40 }, (_, at) => `.optMap(v${at}, v${at} + v${at})`).join('')}`];
  for (const expression of stopped) {
    const line = answer(expression, variables, false);
    assert.match(line, /error: operation cancelled: actual cost limit exceeded$/, expression);
  }
});

test('a pattern that would take long to compile is refused before', () => {
  for (const pattern of ['(a{1000}){100}', '(a{1000})'.repeat(1_000), '((a{10}){10}){10}'.repeat(500),
    '[^a]{1000}'.repeat(900), '\\pL{1000}', 'a'.repeat(10_001), '('.repeat(6_000)]) {
    assert.match(
      answer(`'x'.matches('${pattern.replaceAll('\\', '\\\\')}')`, {}, false), /invalid matches argument/);
  }
  for (const pattern of ['^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$',
    'a{1000}',
    '[]a]{2}', '\\{3\\}', 'a{,3}']) {
    assert.match(
      answer(`dyn('x').matches('${pattern.replaceAll('\\', '\\\\')}') || true`, {}, false), /→ true/);
  }
});

test('what is nested too deep or too long is refused', () => {
  const deep = [`${'('.repeat(100_000)}1${')'.repeat(100_000)}`, '['.repeat(5_000), `${'-'.repeat(9_999)}x.y`,
    `1${'+1'.repeat(5_000)}`, `a${'.b'.repeat(5_000)}`, `${'!('.repeat(5_000)}`,
      'a'.repeat(limits.celExpressionSizeMax + 1),
    `${'[1].map(x, '.repeat(300)}1${')'.repeat(300)}`, `${'true ? true : '.repeat(400)}true`];
  for (const expression of deep) {
    const compiled = compile(expression, { variables: new Map(), functions: kubernetesFunctions });
    assert.not(isProgram(compiled), expression.slice(0, 20));
  }
  const chain = compile(Array.from({ length: 5_000 }, () => 'true').join(' && '),
    { variables: new Map(), functions: kubernetesFunctions });
  assert.ok(isProgram(chain) && evaluate(chain, new Map()) === true, 'a long chain of && is not deep');
});

test.run();
