// The numbers in the tags against those in `generated.proto` beside them: what clients encode by. They are
// made of each other, so that a difference means that one of the two was misread.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DefinitionRow } from './definitions.ts';
import type { TableSource } from './packages.ts';

export function compareWithProto(source: TableSource, rows: ReadonlyMap<string, DefinitionRow>,
  folder: string): string[] {
  const file = join(folder, 'generated.proto');
  if (!existsSync(file)) return [`${source.name}: no generated.proto`];
  const messages = readMessages(readFileSync(file, 'utf8'));
  return [...rows].flatMap(([name, row]) => {
    const numbers = messages.get(name);
    if (numbers === undefined) {
      return row.fields.some(({ number }) => number !== null) ? [`${source.name}/${name}: no message`] : [];
    }
    const ours = new Map(row.fields.flatMap(({ number, name: field, protobufName }) =>
      number === null ? [] : [[number, protobufName ?? field] as const]));
    const wrong = [...numbers].filter(([number, field]) => {
      const own = ours.get(number);
      return own !== field && !(own === '...' && field !== '');
    });
    const extra = [...ours.keys()].filter((number) => !numbers.has(number));
    return [
      ...wrong.map(([number, field]) => `${source.name}/${name}: protobuf ${number} is ${field}, not `
        + `${ours.get(number) ?? 'in the Go type'}`),
      ...extra.map((number) => `${source.name}/${name}: protobuf ${number} is in the Go type only`),
    ];
  });
}

function readMessages(text: string): Map<string, Map<number, string>> {
  const messages = new Map<string, Map<number, string>>();
  let current = new Map<number, string>();
  for (const line of text.split('\n')) {
    const message = /^message (\w+) \{/.exec(line)?.[1];
    if (message !== undefined) messages.set(message, current = new Map());
    const [, name, number] = /^\s+(?:optional|repeated|map<)[^=]*?\s(\w+) = (\d+)[;\s[]/.exec(line) ?? [];
    if (name !== undefined) current.set(Number(number), name);
  }
  return messages;
}
