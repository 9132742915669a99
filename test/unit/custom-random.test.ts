// Random structural schemas against random objects: what is made by a schema is valid under it, what is
// broken in one place is refused in that place, and pruning and defaults do what they say, once and for all.
// And that no text makes the readers of paths and patterns throw.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isObject } from '../../cluster/api/body.ts';
import type { Json, JsonObject } from '../../cluster/api/body.ts';
import type { JsonSchema } from '../../cluster/api/custom/definition.ts';
import { embeddedCauses, listCauses } from '../../cluster/api/custom/embedded.ts';
import { parsePath, resultsOf } from '../../cluster/api/custom/jsonpath.ts';
import { patternError } from '../../cluster/api/custom/pattern.ts';
import { defaultErrors, schemaErrors } from '../../cluster/api/custom/rules.ts';
import { schemaFrom } from '../../cluster/api/custom/schema.ts';
import { defaulted, pruned, withoutNulls } from '../../cluster/api/custom/shape.ts';
import { structuralCauses } from '../../cluster/api/custom/structural.ts';
import { valueCauses } from '../../cluster/api/custom/values.ts';
import type { StatusCause } from '../../cluster/api/types.ts';
import { canonicalText } from '../../cluster/canonical.ts';
import { createRandom } from '../../cluster/random.ts';
import type { Random } from '../../cluster/random.ts';

const rounds = 400;
const names = ['a', 'b', 'spec', 'constructor', 'toString', 'x-y'];

/** A schema and the way to make values of it. */
interface Made { readonly schema: JsonSchema; readonly value: (random: Random) => Json }

function scalar(random: Random): Made {
  switch (random.below(6)) {
    case 0: return { schema: { type: 'integer', minimum: -5, maximum: 5 }, value: (r) => r.below(11) - 5 };
    case 1: return {
      schema: { type: 'number', exclusiveMinimum: true, minimum: 0, multipleOf: 0.5 },
      value: (r) => (r.below(9) + 1) / 2,
    };
    case 2: return { schema: { type: 'boolean' }, value: (r) => r.chance(1, 2) };
    case 3: return {
      schema: { 'x-kubernetes-int-or-string': true },
      value: (r) => r.chance(1, 2) ? r.below(100) : `${r.below(100)}%`,
    };
    case 4: return {
      schema: { type: 'string', enum: ['one', 'two'] }, value: (r) => r.chance(1, 2) ? 'one' : 'two',
    };
    default: return {
      schema: {
        type: 'string', minLength: 1, maxLength: 4, pattern: '^[a-z]*$', nullable: random.chance(1, 3),
      },
      value: (r) => 'abcd'.slice(0, r.below(4) + 1),
    };
  }
}

function structure(random: Random, depth: number): Made {
  if (depth > 2) return scalar(random);
  switch (random.below(4)) {
    case 0: {
      const of = structure(random, depth + 1);
      return {
        schema: { type: 'array', items: of.schema, maxItems: 3 },
        value: (r) => Array.from({ length: r.below(4) }, () => of.value(r)),
      };
    }
    case 1: {
      const of = structure(random, depth + 1);
      return {
        schema: { type: 'object', additionalProperties: of.schema },
        value: (r) => Object.fromEntries(names.filter(() => r.chance(1, 3))
          .map((name) => [name, of.value(r)])),
      };
    }
    case 2: return scalar(random);
    default: return object(random, depth);
  }
}

function object(random: Random, depth: number): Made {
  const fields = names.filter(() => random.chance(1, 2)).map((name) => {
    const made = structure(random, depth + 1), given = made.value(random);
    // What may have a default, has one sometimes.
    const schema = random.chance(1, 4) ? { ...made.schema, default: given } : made.schema;
    return [name, { ...made, schema }] as const;
  });
  const required = fields.filter(() => random.chance(1, 4)).map(([name]) => name);
  return {
    schema: {
      type: 'object', properties: Object.fromEntries(fields.map(([name, { schema }]) => [name, schema])),
      ...required.length === 0 ? {} : { required },
    },
    value: (r) => Object.fromEntries(fields.filter(([name]) => required.includes(name) || r.chance(2, 3))
      .map(([name, { value }]) => [name, value(r)])),
  };
}

const whole = (value: Json, schema: JsonSchema): Json =>
  defaulted(withoutNulls(pruned(value, schema, []), schema), schema);

const causes = (value: Json, schema: JsonSchema): readonly StatusCause[] =>
  [...valueCauses(value, schema, null), ...listCauses(value, schema), ...embeddedCauses(value, schema)];

test('what a schema makes is valid, stays as it is, and what it lacks is filled in', () => {
  const random = createRandom(36);
  for (let round = 0; round < rounds; round++) {
    const { schema, value } = object(random, 0);
    const errors: StatusCause[] = [...structuralCauses(schema, 'schema')];
    defaultErrors(errors, schema, 'schema');
    schemaErrors(errors, schema, 'schema');
    assert.equal(errors, [], JSON.stringify(schema));
    assert.is(schemaFrom(schema).type, 'object');
    const made = value(random), unknown: string[] = [];
    assert.is(pruned(made, schema, unknown), made, 'nothing to prune: the value itself');
    assert.equal(unknown, []);
    assert.equal(causes(made, schema), [], JSON.stringify([schema, made]));
    const filled = whole(made, schema);
    assert.equal(causes(filled, schema), [], JSON.stringify([schema, filled]));
    assert.is(whole(filled, schema), filled, 'once filled, the value itself');
    // An update that changes nothing is valid under any other schema too.
    const other = object(random, 0).schema;
    assert.equal(valueCauses(made, other, { value: JSON.parse(JSON.stringify(made)) as Json }), []);
  }
});

test('unknown fields go, wherever they are, and are told of by their paths', () => {
  const random = createRandom(37);
  for (let round = 0; round < rounds; round++) {
    const { schema, value } = object(random, 0), made = value(random) as JsonObject, unknown: string[] = [];
    const places: string[] = [], dirty = soiled(made, schema, '', places);
    // Compared as texts: a field may be called `constructor`.
    assert.is(canonicalText(pruned(dirty, schema, unknown)), canonicalText(made));
    assert.equal(unknown.sort(), places.sort());
  }
});

function schemaOf(name: string, { properties = {}, additionalProperties }: JsonSchema): JsonSchema {
  if (typeof additionalProperties === 'object') return additionalProperties;
  return Object.hasOwn(properties, name) ? properties[name] ?? {} : {};
}

/** With a field that no schema knows in each object of fixed fields. */
function soiled(value: Json, schema: JsonSchema, path: string, places: string[]): Json {
  if (Array.isArray(value)) {
    return (value as readonly Json[]).map((item, at) =>
      soiled(item, schema.items ?? {}, `${path}[${at}]`, places));
  }
  if (!isObject(value)) return value;
  const at = (name: string): string => path === '' ? name : `${path}.${name}`;
  const { additionalProperties } = schema;
  const entries = Object.entries(value).map(([name, field]) =>
    [name, soiled(field, schemaOf(name, schema), at(name), places)] as const);
  if (typeof additionalProperties === 'object') return Object.fromEntries(entries);
  places.push(at('foreign'));
  return Object.fromEntries([...entries, ['foreign', { deep: [1] }]]);
}

test('one wrong value is refused in its place', () => {
  const random = createRandom(38);
  let broken = 0;
  for (let round = 0; round < rounds; round++) {
    const { schema, value } = object(random, 0), made = value(random) as JsonObject;
    const spoilt = spoil(made, schema, '', random);
    if (spoilt === null) continue;
    broken += 1;
    const fields = causes(spoilt.value, schema).map(({ field }) => field?.replace(/^\./, ''));
    assert.ok(fields.includes(spoilt.path), `${spoilt.path} of ${fields.join()}: ${JSON.stringify(schema)}`);
  }
  assert.ok(broken > rounds / 2, `${broken} were broken`);
});

interface Spoilt { readonly value: Json; readonly path: string }

/** A value of no type of the schema, in one place on the way down. */
function spoil(value: Json, schema: JsonSchema, path: string, random: Random): Spoilt | null {
  if (isObject(value) && Object.keys(value).length > 0 && (path === '' || random.chance(2, 3))) {
    const keys = Object.keys(value), name = keys[random.below(keys.length)] ?? '';
    const inner = spoil(value[name] ?? null, schemaOf(name, schema), path === '' ? name : `${path}.${name}`,
      random);
    return inner === null ? null : { ...inner, value: { ...value, [name]: inner.value } };
  }
  if (path === '') return null;
  return { value: schema.type === 'array' ? {} : [], path };
}

test('no text makes the readers of paths and patterns throw or loop', () => {
  const random = createRandom(39);
  const parts = ['.', '[', ']', '(', ')', '?', '@', '*', 'a', '"', "'", '\\', '0', '-', ':', '==', ' ', '..',
    '{', '}', '+', '|', '^', '$', '\u{1f600}'];
  const root: Json = { a: [{ a: 1 }, { a: '0' }, null], 0: 'a' };
  for (let round = 0; round < 5_000; round++) {
    const text = Array.from({ length: random.below(12) }, () => parts[random.below(parts.length)]).join('');
    const path = parsePath(text);
    if (path !== null) assert.ok(Array.isArray(resultsOf(path, root)));
    const wrong = patternError(text);
    assert.ok(wrong === null || wrong.length > 0);
  }
});

test('JSONPath finds what columns ask for', () => {
  const root: Json = {
    metadata: { labels: { 'a.b/c': 'x' } },
    status: { conditions: [{ type: 'Ready', status: 'True' }, { type: 'Other', status: 'False', n: 3 }] },
  };
  const first = (text: string): unknown => {
    const path = parsePath(text);
    return path === null ? 'no path' : resultsOf(path, root)[0];
  };
  assert.is(first('.status.conditions[?(@.type=="Ready")].status'), 'True');
  assert.is(first(".status.conditions[?(@.type=='Other')].status"), 'False');
  assert.is(first('.status.conditions[?(@.n>2)].type'), 'Other');
  assert.is(first('.status.conditions[-1].type'), 'Other');
  assert.is(first('.status.conditions[0:1].type'), 'Ready');
  assert.is(first('.status.conditions[*].type'), 'Ready');
  assert.is(first('.metadata.labels.a\\.b/c'), 'x');
  assert.is(first(".metadata.labels['a.b/c']"), 'x');
  assert.is(first('..n'), 3);
  assert.is(first('.nothing.at.all'), undefined);
  assert.is(first('.constructor'), undefined);
  for (const wrong of ['.a[', '.a[?(@.b', '.a]', '.a[x]']) assert.is(first(wrong), 'no path', wrong);
});

test.run();
