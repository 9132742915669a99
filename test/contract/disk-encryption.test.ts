// What a peer keeps on disk is encrypted: nothing of it can be read there, whoever has the key file has all
// of it, and who has not has nothing; keys are replaced by a restart; a folder from before opens as well.

import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32, gunzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { index, term } from '../../cluster/ids.ts';
import type { Entry } from '../../cluster/log/types.ts';
import type { DiskEvent, DiskRecovery } from '../../cluster/ports.ts';
import { openDisk } from '../../runtime/ports/disk.ts';
import type { Disk } from '../../runtime/ports/disk.ts';
import { metaOf } from './disk.ts';

const segmentBytes = 32 * 1024;
const secret = 'hunter2-correct-horse-battery';
const traces = [
  Buffer.from(secret), Buffer.from(Buffer.from(secret).toString('base64')), Buffer.from('hunter2'),
  Buffer.from(secret).reverse(),
];

interface Place {
  readonly dir: string;
  open(options?: { readonly keyFile?: string }): Promise<Disk>;
  close(): Promise<void>;
  until(condition: (event: DiskEvent) => boolean): Promise<void>;
}

async function within(body: (place: Place) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-sealed-')), events: DiskEvent[] = [];
  let disk: Disk | null = null;
  const place: Place = {
    dir,
    async open(options = {}) {
      disk = await openDisk(dir, (event) => events.push(event), { segmentBytes, ...options });
      return disk;
    },
    async close() {
      const closing = disk;
      disk = null;
      await closing?.close();
      events.length = 0;
    },
    async until(condition) {
      for (let waited = 0; !events.some(condition); waited += 1) {
        assert.ok(waited < 2_000, 'not within 10 s');
        await sleep(5);
      }
    },
  };
  try {
    await body(place);
  } finally {
    await place.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

const entry = (n: number, text: string): Entry =>
  ({ index: index(n), term: term(3), kind: 'command', data: new TextEncoder().encode(text) });

/** Thirty entries over several segments, a snapshot in their middle, a fact: a secret in each. */
async function fill(place: Place, disk: Disk): Promise<void> {
  const { port } = disk, text = `${secret} ${Buffer.from(secret).toString('base64')}`;
  port.saveFact('note', text);
  port.write({ token: 1, hard: { term: term(3), vote: null }, entries: [] });
  for (let n = 1; n <= 30; n += 1) {
    port.write({ token: n + 1, entries: [entry(n, text.padEnd(2_000, '.'))] });
    await place.until((event) => event.type === 'persisted' && event.token > n);
  }
  const state = new TextEncoder().encode(text);
  port.saveSnapshot({ ...metaOf(20), term: term(3) }, [state, state], index(10));
  await place.until((event) => event.type === 'snapshot-saved');
}

/** What the disk gives back, as a hash. */
function contentOf({ log, snapshot, facts }: DiskRecovery): string {
  const hash = createHash('sha256').update(JSON.stringify([facts, log.hard, log.snapshot]));
  for (const { data, index: at } of log.entries) hash.update(String(at)).update(data);
  return hash.update(snapshot ?? '').digest('hex');
}

function filesUnder(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name));
}

const readable = (dir: string): string[] => filesUnder(dir).filter((path) => {
  const content = readFileSync(path);
  return traces.some((trace) => content.includes(trace));
});

async function refusal(place: Place): Promise<string> {
  try {
    await place.open();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'opened';
}

const keyOf = ({ dir }: Place): string => join(dir, 'disk.key');

test('nothing that was written can be read in the folder, in no file and no encoding', () =>
  within(async (place) => {
    const disk = await place.open();
    await fill(place, disk);
    assert.equal(readable(place.dir), [], 'while it is open');
    await place.close();
    assert.equal(readable(place.dir), []);
    assert.ok(filesUnder(place.dir).length >= 4);
    assert.is(statSync(keyOf(place)).mode & 0o777, 0o600);
    const { recovery } = await place.open();
    assert.is(recovery.log.entries.at(-1)?.index, 30);
    assert.match(recovery.facts['note'] ?? '', secret);
    assert.is(Buffer.from(recovery.snapshot ?? []).toString().split(secret).length, 3);
  }));

test('the key may lie elsewhere; without it the folder is refused, and stays as it is', () =>
  within(async (place) => {
    const keyFile = join(place.dir, 'kept-apart.key');
    const first = await place.open({ keyFile });
    await fill(place, first);
    await place.close();
    assert.not.ok(existsSync(keyOf(place)));
    const before = filesUnder(join(place.dir, 'log')).map((path) => readFileSync(path));
    assert.match(await refusal(place), `${keyOf(place)} is missing`);
    writeFileSync(keyOf(place), `${randomBytes(32).toString('base64')}\n`);
    assert.match(await refusal(place), 'does not hold the key that it was encrypted with');
    for (const bad of ['', 'no key\n', `${randomBytes(31).toString('base64')}\n`]) {
      writeFileSync(keyOf(place), bad);
      assert.match(await refusal(place), `${keyOf(place)} must hold a key of 32 bytes`);
    }
    assert.equal(filesUnder(join(place.dir, 'log')).map((path) => readFileSync(path)), before);
    const { recovery } = await place.open({ keyFile });
    assert.is(recovery.log.entries.at(-1)?.index, 30);
  }));

test('a new key on the first line takes over at the next start; then the old one may go', () =>
  within(async (place) => {
    await fill(place, await place.open());
    await place.close();
    const content = contentOf((await place.open()).recovery);
    await place.close();
    const old = readFileSync(keyOf(place), 'utf8'), fresh = `${randomBytes(32).toString('base64')}\n`;
    writeFileSync(keyOf(place), `# since today\n${fresh}${old}`);
    assert.is(contentOf((await place.open()).recovery), content);
    await place.close();
    writeFileSync(keyOf(place), fresh);
    const { port, recovery } = await place.open();
    assert.is(contentOf(recovery), content);
    port.write({ token: 99, entries: [entry(31, secret)] });
    await place.until((event) => event.type === 'persisted' && event.token === 99);
    await place.close();
    assert.is((await place.open()).recovery.log.entries.at(-1)?.index, 31);
    await place.close();
    writeFileSync(keyOf(place), old);
    assert.match(await refusal(place), 'does not hold the key');
  }));

/** A folder as it was written before there was encryption. */
function unencrypted({ dir }: Place): void {
  const path = new URL('../data/disk/unencrypted.json', import.meta.url);
  const files = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>;
  mkdirSync(join(dir, 'log'));
  for (const [name, data] of Object.entries(files)) {
    writeFileSync(join(dir, 'log', name), gunzipSync(Buffer.from(data, 'base64')));
  }
}

test('a folder from before there was encryption opens, and is encrypted from then on', () =>
  within(async (place) => {
    unencrypted(place);
    assert.ok(readable(place.dir).length > 1);
    const { recovery } = await place.open();
    assert.equal(recovery.facts, { cluster: 'pond' });
    assert.equal([recovery.log.snapshot.index, recovery.log.hard.term], [20, 3]);
    assert.is(Buffer.from(recovery.snapshot ?? []).toString(), 'state hunter2');
    assert.is(recovery.log.entries.at(-1)?.index, 30);
    assert.match(Buffer.from(recovery.log.entries.at(-1)?.data ?? []).toString(), 'entry 30 hunter2');
    assert.equal(readable(place.dir), []);
    const content = contentOf(recovery);
    await place.close();
    assert.is(contentOf((await place.open()).recovery), content);
  }));

test('wherever power fails while the folder is written anew, all of it comes back', () =>
  within(async (place) => {
    const log = join(place.dir, 'log');
    unencrypted(place);
    const content = contentOf((await place.open()).recovery);
    await place.close();
    const states: readonly (() => void)[] = [
      // The new one is not whole yet; the old one stands.
      () => {
        mkdirSync(`${log}.new`);
        writeFileSync(join(`${log}.new`, '000000000001.log'), 'half');
      },
      // Whole, and the old one is out of the way already.
      () => {
        renameSync(log, `${log}.new`);
        mkdirSync(`${log}.old`);
      },
      // In its place, and the old one is not removed yet.
      () => mkdirSync(`${log}.old`),
    ];
    for (const state of states) {
      state();
      assert.is(contentOf((await place.open()).recovery), content);
      await place.close();
      assert.equal(readdirSync(place.dir).sort(), ['disk.key', 'log']);
    }
  }));

test('what was changed or moved after it was encrypted is refused, though its checksums hold', () =>
  within(async (place) => {
    await fill(place, await place.open());
    await place.close();
    const segments = filesUnder(join(place.dir, 'log')).filter((path) => path.endsWith('.log')).sort();
    const path = segments[0] ?? '', whole = readFileSync(path), at = 4_096;
    const length = whole.readUInt32LE(at + 4);
    const changed = Buffer.from(whole);
    changed.writeUInt8(changed.readUInt8(at + 24 + 40) ^ 1, at + 24 + 40);
    rechecked(changed, at);
    writeFileSync(path, changed);
    assert.match(await refusal(place), 'it was changed after it was encrypted');
    // The same frame, as if it were another one.
    const moved = Buffer.from(whole), next = at + Math.ceil((24 + length) / 8) * 8;
    const number = moved.readUIntLE(at + 8, 6);
    moved.copyWithin(at, next, next + 24 + moved.readUInt32LE(next + 4));
    moved.writeUIntLE(number, at + 8, 6);
    rechecked(moved, at);
    moved.fill(0, at + Math.ceil((24 + moved.readUInt32LE(at + 4)) / 8) * 8);
    writeFileSync(path, moved);
    assert.match(await refusal(place), 'it was changed after it was encrypted');
    writeFileSync(path, whole);
    const snapshot = filesUnder(join(place.dir, 'log')).find((each) => each.endsWith('.snapshot')) ?? '';
    const good = readFileSync(snapshot), bad = Buffer.from(good), from = 36 + good.readUInt32LE(12);
    bad.writeUInt8(bad.readUInt8(bad.length - 30) ^ 1, bad.length - 30);
    bad.writeUInt32LE(crc32(bad.subarray(from)), 28);
    bad.writeUInt32LE(crc32(bad.subarray(0, 32)), 32);
    writeFileSync(snapshot, bad);
    assert.match(await refusal(place), 'it was changed after it was encrypted');
    writeFileSync(snapshot, good);
    assert.is((await place.open()).recovery.log.entries.at(-1)?.index, 30);
  }));

/** With checksums that fit what is there. */
function rechecked(segment: Buffer, at: number): void {
  const length = segment.readUInt32LE(at + 4);
  segment.writeUInt32LE(crc32(segment.subarray(at + 24, at + 24 + length)), at + 16);
  segment.writeUInt32LE(crc32(segment.subarray(at, at + 20)), at + 20);
}

test.run();
