// The disk port's contract on the real adapter and on the simulated one, and what only files can do:
// segments that come and go, damage, two processes in one directory.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { index, term } from '../../cluster/ids.ts';
import type { DiskEvent } from '../../cluster/ports.ts';
import { createRandom } from '../../cluster/random.ts';
import { openDisk } from '../../runtime/ports/disk.ts';
import type { Disk } from '../../runtime/ports/disk.ts';
import { createHeap } from '../../sim/heap.ts';
import { createDisk, diskFull } from '../../sim/ports/disk.ts';
import type { SimDisk } from '../../sim/ports/disk.ts';
import { diskContract, entriesOf, metaOf, shown } from './disk.ts';
import type { DiskHarness } from './disk.ts';

const segmentBytes = 256 * 1024;

interface RealHarness extends DiskHarness { readonly directory: string; readonly folder: string }

async function realHarness(): Promise<RealHarness> {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-disk-'));
  const folder = join(directory, 'log');
  const events: DiskEvent[] = [];
  let disk: Disk | null = null;
  let moved = false;
  const close = async (): Promise<void> => {
    const closing = disk;
    disk = null;
    await closing?.close();
  };
  const harness: RealHarness = {
    directory, folder, events, close, onEvent: () => undefined,
    async open() {
      if (moved) {
        await rm(folder);
        await rename(`${folder}-moved`, folder);
        moved = false;
      }
      disk = await openDisk(directory, (event) => {
        harness.onEvent(event);
        events.push(event);
      }, { segmentBytes });
      return disk;
    },
    // A process that is killed leaves to the kernel what it wrote; the tests in `tear` go further.
    crash: close,
    async tear() {
      const path = await lastSegment(folder);
      const end = await endOf(path);
      const file = await open(path, 'r+');
      await file.write(Buffer.from('a frame that never was finished'), 0, 31, end + 8);
      await file.close();
    },
    async damage(what) {
      const suffix = what === 'record' ? '.log' : '.snapshot';
      const name = (await readdir(folder)).filter((file) => file.endsWith(suffix)).sort()[0] ?? '';
      const { size } = await stat(join(folder, name));
      await overwrite(join(folder, name), what === 'record' ? 4096 + 40 : size - 10, Buffer.from('damage'));
    },
    async fail() {
      // The next entry needs a new segment, and the folder that it would be made in is gone.
      await rename(folder, `${folder}-moved`);
      await writeFile(folder, '');
      moved = true;
    },
    async until(what, condition) {
      const deadline = performance.now() + 5_000;
      while (!condition()) {
        if (performance.now() > deadline) {
          throw new Error(`${what}: not within 5 s; ${JSON.stringify(events)}`);
        }
        await new Promise((done) => setTimeout(done, 2));
      }
    },
    async cleanUp() {
      await close();
      await rm(directory, { recursive: true, force: true });
      await rm(`${folder}-moved`, { recursive: true, force: true });
    },
  };
  return harness;
}

const lastSegment = async (folder: string): Promise<string> =>
  join(folder, (await readdir(folder)).filter((name) => name.endsWith('.log')).sort().at(-1) ?? '');

/** The end of what is not zero, rounded up to where a frame may start. */
async function endOf(path: string): Promise<number> {
  const content = await readFile(path);
  let end = content.length;
  while (end > 0 && content[end - 1] === 0) end -= 1;
  return Math.ceil(end / 8) * 8;
}

async function simHarness(): Promise<DiskHarness> {
  const heap = createHeap();
  const disk = createDisk(heap, 7);
  const events: DiskEvent[] = [];
  const harness: DiskHarness = {
    events, onEvent: () => undefined,
    open: async () => disk.open((event) => {
      harness.onEvent(event);
      events.push(event);
    }),
    close: async () => disk.close(),
    crash: async () => disk.crash(),
    // What is torn is what was on its way when the power failed: a write that a crash interrupts.
    async tear() {
      const { port } = disk.open(() => undefined);
      port.write({ token: 99, entries: [] });
      disk.crash();
    },
    async damage(what) {
      assert.is.not(disk.damage(what === 'record' ? 'entry' : 'snapshot', 0), null);
    },
    fail: async () => disk.failNextSync('no space left on device'),
    async until(what, condition) {
      while (!condition()) if (!heap.step()) throw new Error(`${what}: nothing more happens`);
    },
    cleanUp: async () => undefined,
  };
  return harness;
}

diskContract(test, 'real', realHarness);
diskContract(test, 'simulated', simHarness);

const onFiles = (what: string, body: (harness: RealHarness) => Promise<void>): void => {
  test(`real: ${what}`, async () => {
    const harness = await realHarness();
    try {
      await body(harness);
    } finally {
      await harness.cleanUp();
    }
  });
};

const persisted = (harness: DiskHarness, token: number) => harness.until(`token ${token}`, () =>
  harness.events.some((event) => event.type === 'persisted' && event.token >= token));

const segmentsIn = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name.endsWith('.log')).sort();

/** About `count` segments of entries of 10 KB, one frame each. */
async function fillSegments(harness: RealHarness, count: number): Promise<number> {
  const { port } = await harness.open();
  port.saveFact('cluster', 'pond');
  port.write({ token: 1, hard: { term: term(9), vote: null }, entries: [] });
  const entries = count * 24;
  for (let n = 1; n <= entries; n += 1) {
    port.write({ token: n, entries: entriesOf(n, n, 1, 10_000) });
    await persisted(harness, n);
  }
  return entries;
}

async function refusal(harness: RealHarness): Promise<string> {
  try {
    await harness.open();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'opened';
}

async function overwrite(path: string, at: number, bytes: Buffer): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(bytes, 0, bytes.length, at);
  await file.close();
}

onFiles('the log goes over several segments; a snapshot lets the first ones go', async (harness) => {
  const last = await fillSegments(harness, 4);
  assert.ok((await segmentsIn(harness.folder)).length >= 4);
  await harness.close();
  const { port, recovery } = await harness.open();
  assert.is(recovery.log.entries.length, last);
  assert.is(recovery.log.hard.term, 9);
  const keepFrom = last - 20;
  port.saveSnapshot(metaOf(last), [new Uint8Array(3)], index(keepFrom));
  await harness.until('saved', () => harness.events.some((event) => event.type === 'snapshot-saved'));
  assert.ok((await segmentsIn(harness.folder)).length <= 2, (await segmentsIn(harness.folder)).join(' '));
  await harness.close();
  const second = await harness.open();
  assert.is(second.recovery.log.hard.term, 9, 'the hard state outlives its segment');
  assert.equal(second.recovery.facts, { cluster: 'pond' });
  assert.is(second.recovery.log.snapshot.index, last);
  second.port.write({ token: 1, entries: entriesOf(last + 1, last + 1) });
  harness.events.length = 0;
  await persisted(harness, 1);
  await harness.close();
  assert.is(shown((await harness.open()).recovery.log), `${last + 1}/1`);
});

onFiles('damage that good records follow is refused: where, and what to do', async (harness) => {
  const { port } = await harness.open();
  for (let n = 1; n <= 3; n += 1) {
    port.write({ token: n, entries: entriesOf(n, n) });
    await persisted(harness, n);
  }
  await harness.close();
  const path = await lastSegment(harness.folder);
  const before = await readFile(path);
  await overwrite(path, 4096 + 40, Buffer.from([0xff, 0x00, 0xff]));
  const message = await refusal(harness);
  assert.match(message, path);
  assert.match(message, 'damaged at byte 4096');
  assert.match(message, 'shoal join');
  assert.match(message, `remove ${harness.folder}`);
  await writeFile(path, before);
  assert.is(shown((await harness.open()).recovery.log), '1/1 2/1 3/1', 'restored, it opens again');
});

onFiles('damage at the end of a sealed segment, or a segment that is gone, is refused', async (harness) => {
  await fillSegments(harness, 3);
  await harness.close();
  const [first = '', second = ''] = await segmentsIn(harness.folder);
  const path = join(harness.folder, first);
  const before = await readFile(path);
  await overwrite(path, await endOf(path) - 12, Buffer.from('damage'));
  assert.match(await refusal(harness), /frame \d+ is missing/);
  await writeFile(path, before);
  await rm(join(harness.folder, second));
  assert.match(await refusal(harness), 'the file is missing');
});

onFiles('the last record, cut at any length, is cut off', async (harness) => {
  const { port } = await harness.open();
  port.write({ token: 1, entries: entriesOf(1, 2) });
  await persisted(harness, 1);
  const start = await endOf(await lastSegment(harness.folder));
  port.write({ token: 2, entries: entriesOf(3, 3) });
  await persisted(harness, 2);
  await harness.close();
  const path = await lastSegment(harness.folder);
  const whole = await readFile(path);
  const end = await endOf(path);
  for (const cut of [1, 8, 23, 24, 40, end - start - 9]) {
    const early = Buffer.from(whole);
    early.fill(0, start + cut);
    await writeFile(path, early);
    assert.is(shown((await harness.open()).recovery.log), '1/1 2/1', `cut after ${cut} bytes`);
    await harness.close();
    // The first bytes may be the ones that are missing.
    const late = Buffer.from(whole);
    late.fill(0, start, start + cut);
    await writeFile(path, late);
    assert.is(shown((await harness.open()).recovery.log), '1/1 2/1', `without the first ${cut} bytes`);
    await harness.close();
    assert.is(await endOf(path), start, 'nothing of it is left');
  }
});

onFiles('a second opener is refused by name; a dead one\'s lock is taken over', async (harness) => {
  await harness.open();
  let message = '';
  await openDisk(harness.directory, () => undefined).catch((error: Error) => { message = error.message; });
  assert.match(message, `in use by process ${process.pid}`);
  const lock = join(harness.directory, 'lock');
  const own = JSON.parse(await readFile(lock, 'utf8')) as object;
  await harness.close();
  const child = spawnSync(process.execPath, ['-e', 'console.log(process.pid)']);
  await writeFile(lock, JSON.stringify({ ...own, pid: Number(child.stdout.toString()) }));
  await harness.open();
  await harness.close();
  await writeFile(lock, JSON.stringify({ ...own, boot: 'the boot before' }));
  await harness.open();
  await harness.close();
  assert.not((await readdir(harness.directory)).includes('lock'), 'closed, it is free');
});

/** A process that writes entry after entry and says which are durable, until it is killed. */
const writerProgram = (directory: string): string => `
  import { writeSync } from 'node:fs';
  import { openDisk } from ${JSON.stringify(import.meta.resolve('../../runtime/ports/disk.ts'))};
  const data = new Uint8Array(3000);
  const entry = (index) => ({ index, term: 1, kind: 'command', data: data.fill(index % 251).slice() });
  const next = (token) => disk.port.write({ token, entries: [entry(2 * token - 1), entry(2 * token)] });
  const disk = await openDisk(${JSON.stringify(directory)}, ({ token }) => {
    writeSync(1, token + '\\n');
    next(token + 1);
  }, { segmentBytes: ${segmentBytes} });
  next(1);
`;

onFiles('a process that is killed has lost nothing that it was told is durable', async (harness) => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', writerProgram(harness.directory)]);
  let told = '';
  child.stdout.on('data', (data: Buffer) => { told += data.toString(); });
  const ended = new Promise<void>((done) => { child.on('close', () => done()); });
  await harness.until('the first segments', () => told.split('\n').length > 150);
  assert.match(await refusal(harness), `in use by process ${child.pid}`);
  child.kill('SIGKILL');
  await ended;
  const last = Number(told.trim().split('\n').at(-1));
  const { recovery } = await harness.open();
  const { entries } = recovery.log;
  assert.ok(entries.length >= 2 * last, `${entries.length} entries, of ${last} writes`);
  assert.equal(entries.map((entry) => Number(entry.index)), entries.map((_, n) => n + 1));
  assert.ok(entries.every(({ index: at, data }) => data.length === 3_000 && data[0] === at % 251));
});

onFiles('a seeded run of everything, with restarts, gives the log of the simulated disk', async (harness) => {
  const random = createRandom(42);
  const model = createDisk(createHeap(), 1);
  let token = 0;
  for (let round = 0; round < 6; round += 1) {
    const real = await harness.open(), simulated = model.open(() => undefined);
    assert.equal(real.recovery, simulated.recovery, `round ${round}`);
    const { log } = real.recovery;
    let last: number = log.entries.at(-1)?.index ?? log.snapshot.index;
    let base: number = log.snapshot.index;
    for (let n = 0; n < 60; n += 1) {
      token += 1;
      if (random.chance(1, 12) && last > base) {
        base = random.between(base + 1, last);
        const data = new Uint8Array(random.below(2_000)).fill(n);
        const keepFrom = index(Math.max(0, base - random.below(5)));
        for (const { port } of [real, simulated]) {
          port.saveSnapshot(metaOf(base, round + 1), [data], keepFrom);
        }
      }
      const after = random.chance(1, 6) ? random.between(base, last) : last;
      const added = entriesOf(after + 1, after + random.below(6), round + 1, random.below(9_000));
      const write = {
        token, entries: added, ...(after < last ? { truncateAfter: index(after) } : {}),
        ...(random.chance(1, 4) ? { hard: { term: term(round + 1), vote: null } } : {}),
      };
      last = after + added.length;
      for (const { port } of [real, simulated]) port.write(write);
      if (random.chance(1, 8)) await persisted(harness, token);
    }
    await harness.close();
    model.close();
    harness.events.length = 0;
  }
});

// ── what only the simulated disk can be asked for ────────────────────────────────────────────────────────

interface SimStage { readonly disk: SimDisk; readonly events: DiskEvent[]; run(): void }

function simStage(seed = 7): SimStage {
  const heap = createHeap(), events: DiskEvent[] = [];
  return { disk: createDisk(heap, seed), events, run() { while (heap.step()) assert.ok(true); } };
}

/** Opens the disk and writes so many more entries, each in a sync of its own. */
function append({ disk, events, run }: SimStage, count: number): number {
  const { port, recovery } = disk.open((event) => events.push(event));
  const last = recovery.log.entries.at(-1)?.index ?? 0;
  for (let n = 1; n <= count; n += 1) {
    port.write({ token: n, entries: entriesOf(last + n, last + n) });
    run();
  }
  return last + count;
}

const refuses = ({ disk }: SimStage): string => {
  try {
    disk.open(() => undefined);
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

test('simulated: a full disk takes what fits, then fails; with room again, it goes on', () => {
  const stage = simStage(), { disk, events } = stage;
  append(stage, 2);
  disk.setRoom(300);
  const { length } = events;
  disk.crash();
  const { port } = disk.open((event) => events.push(event));
  port.write({ token: 10, entries: entriesOf(3, 3) });
  stage.run();
  port.write({ token: 11, entries: entriesOf(4, 6) });
  stage.run();
  assert.equal(events.slice(length), [{ type: 'persisted', token: 10 },
    { type: 'disk-failed', message: diskFull }]);
  port.write({ token: 12, entries: entriesOf(4, 4) });
  stage.run();
  assert.is(events.length, length + 2, 'after a failure nothing is written');
  disk.crash();
  disk.setRoom(null);
  const { recovery } = disk.open(() => undefined);
  assert.match(shown(recovery.log), /^1\/1 2\/1 3\/1( 4\/1)?$/);
});

test('simulated: what a failed fsync has written, nobody knows', () => {
  const found = new Set<string>();
  for (let seed = 1; seed <= 40; seed += 1) {
    const stage = simStage(seed), { disk, events } = stage;
    append(stage, 1);
    const { port } = (disk.crash(), disk.open((event) => events.push(event)));
    port.write({ token: 2, entries: entriesOf(2, 4) });
    disk.failNextSync('EIO: i/o error, fdatasync', true);
    stage.run();
    assert.is(events.at(-1)?.type, 'disk-failed');
    disk.crash();
    found.add(shown(disk.open(() => undefined).recovery.log));
  }
  assert.equal([...found].sort(), ['1/1', '1/1 2/1', '1/1 2/1 3/1', '1/1 2/1 3/1 4/1']);
});

test('simulated: a bad write and one that went astray are found at the next start, if they may be', () => {
  for (const how of ['rot', 'misdirected'] as const) {
    for (const may of [true, false]) {
      const stage = simStage(), { disk } = stage;
      append(stage, 3);
      disk.spoilNextWrite({ how, atPpm: 0, may: () => may });
      disk.crash();
      assert.is(append(stage, 0), 3);
      disk.spoilNextWrite({ how, atPpm: 0, may: () => may });
      assert.equal(disk.damages(), []);
      disk.close();
      append(stage, 0);
      disk.spoilNextWrite({ how, atPpm: 0, may: () => may });
      disk.close();
      const { port } = disk.open(() => undefined);
      disk.spoilNextWrite({ how, atPpm: 0, may: () => may });
      for (const n of [4, 5]) {
        port.write({ token: n, entries: entriesOf(n, n) });
        stage.run();
      }
      const bad = how === 'rot' ? [4] : [1, 4];
      assert.equal(disk.damages().map(({ index: at }) => at), may ? bad : []);
      disk.crash();
      assert.match(refuses(stage), may ? 'fails its checksum' : /^$/);
    }
  }
});

test('simulated: the last record never goes bad; a crash right after a bad write undoes it', () => {
  const stage = simStage(), { disk } = stage;
  append(stage, 1);
  assert.is(disk.damage('entry', 0), null);
  assert.is(disk.damage('snapshot', 0), null);
  disk.spoilNextWrite({ how: 'rot', atPpm: 0, may: () => true });
  disk.close();
  const { port } = disk.open(() => undefined);
  disk.spoilNextWrite({ how: 'rot', atPpm: 0, may: () => true });
  port.write({ token: 2, entries: entriesOf(2, 2) });
  stage.run();
  disk.crash();
  assert.is(append(stage, 0), 2);
});

test('simulated: wrong bits are read once; a restored disk opens; a snapshot takes bad records away', () => {
  const stage = simStage(), { disk } = stage;
  append(stage, 5);
  disk.crash();
  disk.spoilNextRead();
  assert.match(refuses(stage), 'is damaged at byte');
  assert.is(append(stage, 0), 5);
  disk.close();
  disk.damage('entry', 0);
  assert.match(refuses(stage), 'is damaged at byte 4096');
  disk.restore();
  const { port } = disk.open(() => undefined);
  disk.damage('entry', 400_000);
  port.saveSnapshot(metaOf(4), [new Uint8Array(9)], index(4));
  stage.run();
  assert.equal(disk.damages(), []);
  disk.damage('snapshot', 0);
  port.saveSnapshot(metaOf(5), [new Uint8Array(9)], index(4));
  stage.run();
  disk.close();
  assert.is(disk.open(() => undefined).recovery.log.snapshot.index, 5);
});

test.run();
