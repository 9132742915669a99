// Kubernetes keeps a sample of every kind with every field set, once as JSON and once as protobuf, to prove
// that its own encodings stay as they are. Here they prove the tables: the protobuf, read by them, must give
// the JSON, and the JSON must fit the schema whole.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalText } from '../../cluster/canonical.ts';
import { isObject } from '../../cluster/api/body.ts';
import type { Json } from '../../cluster/api/body.ts';
import { conform } from '../../cluster/api/decode.ts';
import { schemaOfKind } from '../../cluster/api/kinds/schema.ts';
import { isProtobufRefusal, readProtobuf } from '../../cluster/api/protobuf/read.ts';
import { isProblem } from '../../cluster/api/status.ts';
import type { TableSource } from './packages.ts';

export interface SampleReport { readonly compared: number; readonly wrong: readonly string[] }

/** Where a root has them: `<group>.<version>.<Kind>.json` and `.pb`. */
const places = ['api/testdata/HEAD', 'apiextensions-apiserver/pkg/apis/testdata/HEAD'];

export function compareWithSamples(
  roots: readonly string[], sources: readonly TableSource[],
): SampleReport {
  const folders = places.flatMap((place) => roots.map((root) => join(root, place)).find(existsSync) ?? []);
  const files = folders.flatMap((folder) => readdirSync(folder).sort().map((file) => ({ folder, file })));
  let compared = 0;
  const wrong = files.filter(({ file }) => file.endsWith('.json')).flatMap(({ folder, file }) => {
    const [, group = '', version = '', kind = ''] = /^(.*)\.(v\w+)\.(\w+)\.json$/.exec(file) ?? [];
    const own = group === 'core' ? '' : group;
    // Events of a watch travel without their kind, each in the stream that it belongs to.
    const known = kind !== 'WatchEvent'
      && sources.some((source) => source.group === own && source.version === version);
    if (!known) return [];
    compared += 1;
    return differences(folder, file, own, version, kind).map((line) => `${file}: ${line}`);
  });
  return { compared, wrong };
}

function differences(folder: string, file: string, group: string, version: string, kind: string): string[] {
  const sample = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Json;
  const schema = schemaOfKind(group, version, kind);
  const fitted = conform({ value: sample, duplicates: [] }, schema, kind, version);
  const misfits = isProblem(fitted) ? [fitted.problem.message ?? '']
    : [...fitted.complaints, ...unlike(sample, fitted.value, '')];
  const bytes = join(folder, file.replace(/json$/, 'pb'));
  if (!existsSync(bytes)) return misfits;
  const decoded = readProtobuf(readFileSync(bytes));
  if (isProtobufRefusal(decoded)) return [...misfits, decoded.refused];
  return [...misfits, ...unlike(sample, decoded, '').map((line) => `protobuf: ${line}`)];
}

/** Where two values differ; null counts as not there. */
function unlike(wanted: Json, found: Json, path: string): string[] {
  if (isObject(wanted) && isObject(found)) {
    const names = [...new Set([...Object.keys(wanted), ...Object.keys(found)])].sort();
    return names.flatMap((name) => unlike(wanted[name] ?? null, found[name] ?? null, `${path}.${name}`));
  }
  if (Array.isArray(wanted) && Array.isArray(found) && wanted.length === found.length) {
    const items = wanted as readonly Json[], others = found as readonly Json[];
    return items.flatMap((item, at) => unlike(item, others[at] ?? null, `${path}[${at}]`));
  }
  const [one, other] = [canonicalText(wanted), canonicalText(found)];
  return one === other ? [] : [`${path} is ${other}, and should be ${one}`];
}
