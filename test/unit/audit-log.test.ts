// The audit log's file: whole lines in order, turned over when large; a disk that takes nothing stops nobody.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { limits } from '../../cluster/limits.ts';
import { openAudit } from '../../runtime/audit.ts';
import { openAuditLog } from '../../runtime/ports/audit.ts';

const test = suite('audit log'), dir = mkdtempSync(join(tmpdir(), 'audit-'));
const quiet = (): void => undefined;

test.after(() => rmSync(dir, { recursive: true }));

test('lines come whole and in order, behind those of an earlier run', async () => {
  const path = join(dir, 'audit.log');
  writeFileSync(path, 'before\n');
  const log = openAuditLog({ path, bytesMax: 1_000_000, backupsMax: 0 }, quiet);
  for (let n = 0; n < 1_000; n++) log.write(`line ${n}\n`);
  await log.close();
  const lines = readFileSync(path, 'utf8').split('\n');
  assert.equal(lines.slice(0, 3), ['before', 'line 0', 'line 1']);
  assert.is(lines.length, 1_002);
  assert.is(log.lost(), 0);
});

test('a file is turned over before it is too large, and only so many are kept', async () => {
  const path = join(dir, 'turned.log');
  for (let run = 0; run < 5; run++) {
    const log = openAuditLog({ path, bytesMax: 100, backupsMax: 2 }, quiet);
    log.write(`${String(run).repeat(80)}\n`);
    await log.close();
    // Their names tell milliseconds apart.
    await new Promise((done) => setTimeout(done, 5));
  }
  const names = readdirSync(dir).filter((name) => name.startsWith('turned')).sort();
  assert.is(names.length, 3);
  assert.match(names[0] ?? '', /^turned-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.log$/);
  assert.equal(names.map((name) => readFileSync(join(dir, name), 'utf8')[0]), ['2', '3', '4']);
});

test('what can not be written is counted and told once, and nobody waits', async () => {
  if (!existsSync('/dev/full')) return;
  const told: string[] = [];
  const log = openAuditLog({ path: '/dev/full', bytesMax: 1_000, backupsMax: 0 }, (line) => told.push(line));
  for (let n = 0; n < 50; n++) log.write('a line that goes nowhere\n');
  await log.close();
  assert.is(log.lost(), 50);
  assert.is(told.length, 1);
  assert.match(told[0] ?? '', /^the audit log lost 50 lines: ENOSPC/);
});

test('a disk that does not keep up costs lines, not memory', async () => {
  const log = openAuditLog({ path: join(dir, 'slow.log'), bytesMax: 2 ** 30, backupsMax: 0 }, quiet);
  const line = `${'x'.repeat(1024 * 1024 - 1)}\n`, tooMany = limits.auditBacklogBytesMax / line.length + 3;
  for (let n = 0; n < tooMany; n++) log.write(line);
  assert.is(log.lost(), 3);
  await log.close();
});

test('a peer that is to keep a log it can not keep says why', () => {
  const policyFile = join(dir, 'policy.yaml'), logPath = join(dir, 'nowhere', 'audit.log');
  const settings = { policyFile, logPath, maxSizeMB: 1, maxBackups: 1 };
  assert.is(openAudit(null, quiet), null);
  assert.throws(() => openAudit(settings, quiet), /the audit policy can't be read: ENOENT/);
  writeFileSync(policyFile, 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Some}]\n');
  assert.throws(() => openAudit(settings, quiet), /policy\.yaml is no audit policy: rules\[0\]\.level/);
  writeFileSync(policyFile, 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n');
  assert.throws(() => openAudit(settings, quiet), /ENOENT.*audit\.log/);
});

test.run();
