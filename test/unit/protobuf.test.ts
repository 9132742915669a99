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
