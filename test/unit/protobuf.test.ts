// Kubernetes' protobuf, as clients written in Go send it: bodies that kubectl sent, shown as the JSON they
// mean; and bytes that make no sense, which must be refused and never throw.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { stringify } from 'yaml';
import { isProtobufRefusal, readProtobuf } from '../../cluster/api/protobuf/read.ts';
import { createRandom } from '../../cluster/random.ts';
import { transcripts } from '../transcript.ts';
import type { TranscriptCommand } from '../transcript.ts';

const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
const captured: Uint8Array[] = [];

function session(): (command: TranscriptCommand) => string {
  return ({ input }) => {
    const bytes = fromHex(input), value = readProtobuf(bytes);
    captured.push(bytes);
    return isProtobufRefusal(value) ? `${value.unknownKind ? 'unknown kind' : 'refused'}: ${value.refused}`
      : stringify(value);
  };
}

transcripts((name, body) => test(`transcript ${name}`, body), 'test/data/protobuf', session);

test('a field that we have no name for is refused where it has a value', () => {
  const body = (field: number[]): Uint8Array => {
    const type = [0x0a, 0x0f, 0x0a, 0x02, 0x76, 0x31, 0x12, 0x09, ...Buffer.from('ConfigMap')];
    return Uint8Array.from([0x6b, 0x38, 0x73, 0, ...type, 0x12, field.length, ...field]);
  };
  const empty = readProtobuf(body([0xfa, 0x7f, 0x00]));
  assert.equal(empty, { apiVersion: 'v1', kind: 'ConfigMap' });
  const full = readProtobuf(body([0xfa, 0x7f, 0x01, 0x61]));
  assert.ok(isProtobufRefusal(full) && full.refused.includes('field 2047 of ConfigMap is not supported'));
  const cut = readProtobuf(body([0xfa, 0x7f, 0x09, 0x61]));
  assert.ok(isProtobufRefusal(cut) && cut.refused.includes('goes beyond the end'));
  const wrongType = readProtobuf(body([0x20, 0x01, 0x22, 0x00]));
  assert.ok(isProtobufRefusal(wrongType) && wrongType.refused.includes('wire type'));
});

/** A varint of 64 bits in two's complement, as protobuf has it. */
function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return [...bytes, Number(rest)];
}

const message = (number: number, bytes: readonly number[]): number[] =>
  [...varint(BigInt(number * 8 + 2)), ...varint(BigInt(bytes.length)), ...bytes];

function enveloped(apiVersion: string, kind: string, bytes: readonly number[]): Uint8Array {
  const type = [...message(1, [...Buffer.from(apiVersion)]), ...message(2, [...Buffer.from(kind)])];
  return Uint8Array.from([0x6b, 0x38, 0x73, 0, ...message(1, type), ...message(2, bytes)]);
}

test('whole numbers are those that JSON keeps exact, of either sign', () => {
  const generation = (value: bigint): unknown => {
    const read = readProtobuf(enveloped('v1', 'ConfigMap', message(1, [0x38, ...varint(value)])));
    return isProtobufRefusal(read) ? read.refused : (read as { metadata: { generation?: number } })
      .metadata.generation;
  };
  const exact = [
    1n, -1n, 127n, 128n, -128n, 2n ** 31n, -(2n ** 31n), 2n ** 32n, 2n ** 35n - 1n, 2n ** 49n, 2n ** 53n - 1n,
    1n - 2n ** 53n,
  ];
  for (const value of exact) assert.is(generation(value), Number(value), String(value));
  for (const value of [2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n), -(2n ** 53n)]) {
    assert.is(generation(value), 'protobuf: a number is too large', String(value));
  }
});

test('a message within itself goes no deeper than a body may', () => {
  let schema: number[] = message(5, [...Buffer.from('object')]);
  for (let level = 0; level < 1_000; level += 1) schema = message(28, schema);
  const spec = message(2, message(7, message(4, message(1, schema))));
  const read = readProtobuf(enveloped('apiextensions.k8s.io/v1', 'CustomResourceDefinition', spec));
  assert.ok(isProtobufRefusal(read) && read.refused.includes('nested deeper than'));
  // Objects within objects, as a List has them.
  let object = enveloped('v1', 'ConfigMap', []);
  for (let level = 0; level < 1_000; level += 1) {
    object = enveloped('v1', 'List', message(2, message(1, [...object])));
  }
  assert.ok(isProtobufRefusal(readProtobuf(object)));
});

test('what JSON shows otherwise: either a schema or a flag, and objects of any kind', () => {
  const either = (bytes: readonly number[]): unknown => {
    const schema = message(4, message(1, message(30, bytes))), spec = message(2, message(7, schema));
    const read = readProtobuf(enveloped('apiextensions.k8s.io/v1', 'CustomResourceDefinition', spec)) as {
      spec: { versions: { schema: { openAPIV3Schema: { additionalProperties: unknown } } }[] };
    };
    return read.spec.versions[0]?.schema.openAPIV3Schema.additionalProperties;
  };
  assert.is(either([]), false);
  assert.is(either([0x08, 1]), true);
  assert.equal(either([0x08, 1, ...message(2, message(5, [...Buffer.from('string')]))]), { type: 'string' });
  const inner = enveloped('v1', 'ConfigMap', message(1, message(1, [0x61])));
  const list = (bytes: readonly number[]): unknown =>
    readProtobuf(enveloped('v1', 'List', message(2, message(1, bytes))));
  assert.equal((list([...inner]) as { items: unknown }).items,
    [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } }]);
  assert.equal((list([...Buffer.from('{"a":[1]}')]) as { items: unknown }).items, [{ a: [1] }]);
  for (const bad of ['{', '{"__proto__":1}']) {
    assert.ok(isProtobufRefusal(list([...Buffer.from(bad)]) as never), bad);
  }
});

test('damaged bodies are refused or read, and never throw', () => {
  const random = createRandom(3);
  assert.ok(captured.length > 5, 'bodies of the transcript');
  let refused = 0;
  for (let n = 0; n < 20_000; n++) {
    const body = Uint8Array.from(captured[random.below(captured.length)] ?? []);
    for (let k = random.between(1, 4); k > 0; k--) {
      body[random.between(4, body.length - 1)] = random.below(256);
    }
    const value = readProtobuf(random.chance(1, 4) ? body.subarray(0, random.below(body.length)) : body);
    if (isProtobufRefusal(value)) refused += 1;
    else JSON.stringify(value);
  }
  assert.ok(refused > 1_000 && refused < 20_000, `${refused} refused`);
});

test.run();
