// Makes the tables of cluster/api/kinds/: every definition of Kubernetes' stable API groups, one a line.
//
//   npm run kinds -- ROOT…      writes the tables and says what it could not find
//
// A ROOT holds Go sources as import paths name them below `k8s.io/`. Debian has them (testing, or newer):
// golang-k8s-api-dev, golang-k8s-apimachinery-dev, golang-k8s-apiextensions-apiserver-dev, unpacked with
// `dpkg -x`, give ROOT/usr/share/gocode/src/k8s.io. kube-aggregator is only in the source package
// `kubernetes` of bookworm, below staging/src/k8s.io; its one kind has not changed since. What the types of
// `@kubernetes/client-node` say is compared with it field by field, and gives plurals and paths; the samples
// that come with the Go sources are read by the tables as they were before, so run it twice.
//
// What always holds: the same sources give the same bytes.

import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clientPaths, compareWithClient } from './client.ts';
import { makeTables } from './definitions.ts';
import type { DefinitionRow } from './definitions.ts';
import { readGoPackage } from './gosource.ts';
import { tableSources } from './packages.ts';
import type { TableSource } from './packages.ts';
import { compareWithProto } from './proto.ts';
import { compareWithSamples } from './samples.ts';

const folder = new URL('../../cluster/api/kinds/', import.meta.url).pathname;

function main(roots: readonly string[]): number {
  const missing: string[] = [], packages = new Map<string, ReturnType<typeof readGoPackage>>();
  const folders = new Map<string, string>();
  for (const { path, name } of tableSources) {
    const found = roots.map((root) => join(root, path.replace(/^k8s\.io\//, ''))).find(existsSync);
    if (found === undefined) {
      missing.push(`${name}: no package ${path} under the roots`);
      continue;
    }
    folders.set(path, found);
    packages.set(path, readGoPackage(found, path));
  }
  if (packages.size < tableSources.length) {
    console.error(missing.join('\n'));
    return 2;
  }
  const tables = makeTables({ sources: tableSources, packages, missing });
  for (const source of tableSources) {
    const rows = tables.get(source.name) ?? new Map<string, DefinitionRow>();
    missing.push(...compareWithProto(source, rows, folders.get(source.path) ?? ''));
    const served = clientPaths(source);
    writeFileSync(join(folder, `${source.name}.json`), textOf(source, rows, served));
  }
  missing.push(...compareWithClient(tableSources, tables));
  const count = [...tables.values()].reduce((sum, rows) => sum + rows.size, 0);
  const { compared, wrong } = compareWithSamples(roots, tableSources);
  console.log(`${count} definitions in ${tables.size} tables; ${compared} samples compared`);
  for (const line of [...missing, ...wrong]) console.log(`  ${line}`);
  return 0;
}

function textOf(source: TableSource, rows: ReadonlyMap<string, DefinitionRow>,
  served: ReadonlyMap<string, string>): string {
  const head = { group: source.group, version: source.version, prefix: source.prefix };
  const lines = [...rows].map(([name, row]) => `${JSON.stringify(name)}: ${JSON.stringify({
    ...row.kind ? { kind: served.get(name) ?? '' } : {},
    ...row.as === null ? {} : { as: row.as },
    ...row.atomic ? { atomic: true } : {},
    ...row.union === null ? {} : { union: row.union },
    fields: row.fields.map(({ name: field, type, number, words }) =>
      [field, type, number ?? '-', ...words].join(' ')),
  })}`);
  return `{"head": ${JSON.stringify(head)},\n"definitions": {\n${lines.join(',\n')}\n}}\n`;
}

process.exitCode = main(process.argv.slice(2));
