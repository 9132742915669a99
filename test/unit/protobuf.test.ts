// Kubernetes' protobuf, as clients written in Go send it: bodies that kubectl sent, shown as the JSON they
// mean; and bytes that make no sense, which must be refused and never throw.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { stringify } from 'yaml';
import { resourceTable } from '../../cluster/api/resources/index.ts';
import type { Schema } from '../../cluster/api/resource.ts';
import { fieldNumbers } from '../../cluster/api/protobuf/numbers.ts';
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

test('every message that a schema needs has its numbers, each field once', () => {
  // Newer than the release whose numbers the table holds; they can be sent as JSON.
  const unnumbered = [
    'FileKeySelector', 'ContainerRestartRule', 'ContainerRestartRuleOnExitCodes', 'PodSchedulingGroup',
    'VolumeStatus', 'ImageVolumeStatus', 'PodExtendedResourceClaimStatus', 'ContainerExtendedResourceRequest',
    'NodeAllocatableResourceClaimStatus',
  ];
  const seen = new Set<string>();
  const visit = (schema: Schema): void => {
    if (schema.type === 'list' || schema.type === 'map') return visit(schema.of);
    if (schema.type !== 'object') return;
    const name = schema.name?.split('.').at(-1) ?? '';
    if (seen.has(name)) return;
    seen.add(name);
    if (!unnumbered.includes(name)) {
      const numbers = fieldNumbers(name);
      assert.ok(numbers !== null, `numbers of ${name}`);
      const names = [...numbers?.values() ?? []].filter((field) => !field.startsWith('*'));
      assert.is(new Set(names).size, names.length, name);
      for (const field of names) assert.ok(Object.hasOwn(schema.fields, field), `${name}.${field}`);
    }
    for (const field of Object.values(schema.fields)) visit(field);
  };
  for (const { schema } of resourceTable) visit(schema);
  assert.ok(seen.size > 100);
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
