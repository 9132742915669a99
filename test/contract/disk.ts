// The contract of the disk port, as a suite that every adapter must pass. It says in tests what
// `cluster/ports.ts` says in comments.

import * as assert from 'uvu/assert';
import { index, peerId, term } from '../../cluster/ids.ts';
import type { Entry, LogRecovery, SnapshotMeta } from '../../cluster/log/types.ts';
import type { DiskEvent, DiskPort, DiskRecovery } from '../../cluster/ports.ts';

export interface OpenedDisk { readonly port: DiskPort; readonly recovery: DiskRecovery }

export interface DiskHarness {
  /** Opens the disk as the last close or crash left it. */
  open(): Promise<OpenedDisk>;
  close(): Promise<void>;
  /** The process dies with writes on their way. */
  crash(): Promise<void>;
  /** The last record is torn, as by a power failure while it was being written. Only while closed. */
  tear(): Promise<void>;
  /** Something stored goes bad: the first record of the log, or the newest snapshot. Only while closed. */
  damage(what: 'record' | 'snapshot'): Promise<void>;
  /** Makes the next write fail for good. */
  fail(): Promise<void>;
  /** Called with each event before it is recorded. */
  onEvent: (event: DiskEvent) => void;
  /** Everything delivered so far, oldest first. */
  readonly events: DiskEvent[];
  until(what: string, condition: () => boolean): Promise<void>;
  cleanUp(): Promise<void>;
}

type Test = (name: string, body: () => Promise<void>) => void;

export const entryOf = (at: number, inTerm = 1, bytes = 100): Entry => ({
  index: index(at), term: term(inTerm), kind: 'command', data: new Uint8Array(bytes).fill(at % 251),
});

export const entriesOf = (from: number, to: number, inTerm = 1, bytes = 100): Entry[] =>
  Array.from({ length: to - from + 1 }, (_, n) => entryOf(from + n, inTerm, bytes));

export const metaOf = (at: number, inTerm = 1): SnapshotMeta => ({
  index: index(at), term: term(inTerm),
  members: [{ id: peerId('a'), name: 'peer-a', addresses: ['127.0.0.1:1', 'host:2'], voter: true }],
});

/** The entries as `index/term index/term …`. */
export const shown = (log: LogRecovery): string =>
  log.entries.map((entry) => `${entry.index}/${entry.term}`).join(' ');

const range = (from: number, to: number, inTerm = 1): string =>
  entriesOf(from, to, inTerm).map((entry) => `${entry.index}/${entry.term}`).join(' ');

const hasPersisted = (harness: DiskHarness, token: number): (() => boolean) => () =>
  harness.events.some((event) => event.type === 'persisted' && event.token >= token);

const hasSaved = (harness: DiskHarness, at: number): (() => boolean) => () =>
  harness.events.some((event) => event.type === 'snapshot-saved' && event.index === at);

/** Registers the whole suite. `makeHarness` makes a disk of its own for every test. */
export function diskContract(test: Test, name: string, makeHarness: () => Promise<DiskHarness>): void {
  const it = (what: string, body: (harness: DiskHarness) => Promise<void>): void => {
    test(`${name}: ${what}`, async () => {
      const harness = await makeHarness();
      try {
        await body(harness);
      } finally {
        await harness.cleanUp();
      }
    });
  };
  writing(it);
  snapshots(it);
  failing(it);
  damaged(it);
}

type It = (what: string, body: (harness: DiskHarness) => Promise<void>) => void;

function writing(it: It): void {
  it('an empty disk gives an empty log', async (harness) => {
    const { recovery } = await harness.open();
    assert.equal(recovery.log.hard, { term: 0, vote: null });
    assert.equal(recovery.log.snapshot, { index: 0, term: 0, members: [] });
    assert.equal(recovery.log.entries, []);
    assert.is(recovery.snapshot, null);
    assert.equal(recovery.facts, {});
  });

  it('what was persisted comes back after a close and after a crash', async (harness) => {
    const { port } = await harness.open();
    port.write({ token: 1, hard: { term: term(3), vote: peerId('b') }, entries: entriesOf(1, 3) });
    port.write({ token: 2, entries: [{ index: index(4), term: term(3), kind: 'noop', data: new Uint8Array() },
      { index: index(5), term: term(3), kind: 'config', data: new Uint8Array([1, 2, 3]) }] });
    port.saveFact('cluster', 'pond');
    await harness.until('persisted', hasPersisted(harness, 2));
    await harness.close();
    const second = await harness.open();
    assert.equal(second.recovery.log.hard, { term: 3, vote: 'b' });
    assert.is(shown(second.recovery.log), '1/1 2/1 3/1 4/3 5/3');
    assert.equal(second.recovery.log.entries[0]?.data, entryOf(1).data);
    assert.equal(second.recovery.log.entries.slice(3).map((entry) => entry.kind), ['noop', 'config']);
    assert.equal(second.recovery.log.entries[4]?.data, new Uint8Array([1, 2, 3]));
    assert.equal(second.recovery.facts, { cluster: 'pond' });
    second.port.write({ token: 1, entries: entriesOf(6, 6, 3) });
    harness.events.length = 0;
    await harness.until('persisted again', hasPersisted(harness, 1));
    await harness.crash();
    const third = await harness.open();
    assert.is(shown(third.recovery.log), '1/1 2/1 3/1 4/3 5/3 6/3');
    assert.equal(third.recovery.facts, { cluster: 'pond' });
  });

  it('nothing is delivered from inside a call', async (harness) => {
    const { port } = await harness.open();
    port.write({ token: 1, entries: entriesOf(1, 1) });
    port.saveSnapshot(metaOf(1), [new Uint8Array(10)], index(1));
    assert.is(harness.events.length, 0);
    await harness.until('both', () => hasPersisted(harness, 1)() && hasSaved(harness, 1)());
  });

  it('tokens are persisted in order, and writes share syncs', async (harness) => {
    const { port } = await harness.open();
    for (let n = 1; n <= 1_000; n += 1) port.write({ token: n, entries: entriesOf(n, n) });
    await harness.until('all persisted', hasPersisted(harness, 1_000));
    const tokens = harness.events.flatMap((event) => (event.type === 'persisted' ? [event.token] : []));
    assert.equal(tokens, [...tokens].sort((a, b) => a - b));
    assert.is(new Set(tokens).size, tokens.length);
    assert.ok(tokens.length <= 100, `${tokens.length} syncs for 1,000 writes`);
  });

  it('a write may be called from the event of the one before', async (harness) => {
    const { port } = await harness.open();
    harness.onEvent = (event) => {
      if (event.type !== 'persisted' || event.token === 300) return;
      port.write({ token: event.token + 1, entries: entriesOf(event.token + 1, event.token + 1) });
    };
    port.write({ token: 1, entries: entriesOf(1, 1) });
    await harness.until('the last', hasPersisted(harness, 300));
    assert.is(harness.events.length, 300);
  });

  it('truncateAfter cuts the log before the new entries', async (harness) => {
    const { port } = await harness.open();
    port.write({ token: 1, entries: entriesOf(1, 10) });
    port.write({ token: 2, truncateAfter: index(4), entries: entriesOf(5, 6, 2),
      hard: { term: term(2), vote: null } });
    await harness.until('persisted', hasPersisted(harness, 2));
    await harness.close();
    const second = await harness.open();
    assert.is(shown(second.recovery.log), '1/1 2/1 3/1 4/1 5/2 6/2');
    second.port.write({ token: 3, truncateAfter: index(5), entries: [] });
    await harness.until('persisted', hasPersisted(harness, 3));
    await harness.close();
    assert.is(shown((await harness.open()).recovery.log), '1/1 2/1 3/1 4/1 5/2');
  });

  it('a fact is durable by the next persisted, and the last value counts', async (harness) => {
    const { port } = await harness.open();
    port.saveFact('incarnation', '1');
    port.saveFact('incarnation', '2');
    port.saveFact('cluster', 'see · lake');
    port.write({ token: 1, entries: [] });
    await harness.until('persisted', hasPersisted(harness, 1));
    await harness.crash();
    assert.equal((await harness.open()).recovery.facts, { cluster: 'see · lake', incarnation: '2' });
  });

  it('a torn end is cut at start, and the log goes on from there', async (harness) => {
    const { port } = await harness.open();
    port.write({ token: 1, hard: { term: term(1), vote: null }, entries: entriesOf(1, 5) });
    await harness.until('persisted', hasPersisted(harness, 1));
    await harness.close();
    await harness.tear();
    const second = await harness.open();
    assert.is(shown(second.recovery.log), range(1, 5));
    second.port.write({ token: 1, entries: entriesOf(6, 7, 2) });
    harness.events.length = 0;
    await harness.until('persisted', hasPersisted(harness, 1));
    await harness.close();
    assert.is(shown((await harness.open()).recovery.log), `${range(1, 5)} 6/2 7/2`);
  });

  it('a crash keeps a prefix of what was on its way', async (harness) => {
    let last = 0;
    for (let round = 0; round < 12; round += 1) {
      const { port, recovery } = await harness.open();
      const found = recovery.log.entries.length;
      assert.is(shown(recovery.log), range(1, found), 'no gap');
      assert.ok(found >= last, `${found} entries, ${last} were persisted`);
      harness.events.length = 0;
      for (let n = 1; n <= 8; n += 1) port.write({ token: n, entries: entriesOf(found + n, found + n) });
      await harness.until('some', hasPersisted(harness, 1));
      const tokens = harness.events.map((event) => (event.type === 'persisted' ? event.token : 0));
      last = found + Math.max(...tokens);
      await harness.crash();
    }
  });
}

function snapshots(it: It): void {
  it('a snapshot lets the log forget, and keeps what is behind it', async (harness) => {
    const { port } = await harness.open();
    port.write({ token: 1, hard: { term: term(1), vote: null }, entries: entriesOf(1, 20) });
    port.saveSnapshot(metaOf(15), [new Uint8Array(5_000).fill(7)], index(10));
    await harness.until('saved', hasSaved(harness, 15));
    port.write({ token: 2, entries: entriesOf(21, 25) });
    await harness.until('persisted', hasPersisted(harness, 2));
    await harness.close();
    const { recovery } = await harness.open();
    assert.equal(recovery.log.snapshot, metaOf(15));
    assert.equal(recovery.snapshot, new Uint8Array(5_000).fill(7));
    assert.is(shown(recovery.log), range(16, 25));
  });

  it('a newer snapshot takes the place of the one before', async (harness) => {
    const { port } = await harness.open();
    port.write({ token: 1, entries: entriesOf(1, 20) });
    for (const at of [5, 10, 15]) {
      port.saveSnapshot(metaOf(at), [new Uint8Array(100).fill(at)], index(at));
      await harness.until('saved', hasSaved(harness, at));
    }
    await harness.crash();
    const { recovery } = await harness.open();
    assert.is(recovery.log.snapshot.index, 15);
    assert.equal(recovery.snapshot, new Uint8Array(100).fill(15));
    assert.is(shown(recovery.log), range(16, 20));
  });

  it('a snapshot is saved only after the writes that were called before it', async (harness) => {
    const { port } = await harness.open();
    for (let n = 1; n <= 50; n += 1) port.write({ token: n, entries: entriesOf(n, n, 1, 10_000) });
    port.saveSnapshot(metaOf(50), [new Uint8Array(10)], index(0));
    await harness.until('saved', hasSaved(harness, 50));
    assert.ok(hasPersisted(harness, 50)());
  });

  it('a received snapshot takes the place of a log that ends before it', async (harness) => {
    const { port } = await harness.open();
    port.write({ token: 1, entries: entriesOf(1, 5) });
    port.write({ token: 2, hard: { term: term(4), vote: null }, entries: entriesOf(101, 103, 4),
      snapshot: { meta: metaOf(100, 3), data: new Uint8Array(300).fill(1) } });
    await harness.until('persisted', hasPersisted(harness, 2));
    await harness.crash();
    const { recovery } = await harness.open();
    assert.is(recovery.log.hard.term, 4);
    assert.equal(recovery.log.snapshot, metaOf(100, 3));
    assert.equal(recovery.snapshot, new Uint8Array(300).fill(1));
    assert.is(shown(recovery.log), range(101, 103, 4));
  });

  it('a received snapshot overrules a log that disagrees, for good', async (harness) => {
    const { port } = await harness.open();
    port.write({ token: 1, entries: entriesOf(1, 100) });
    port.write({ token: 2, hard: { term: term(2), vote: null }, entries: [],
      snapshot: { meta: metaOf(50, 2), data: new Uint8Array(3) } });
    port.write({ token: 3, entries: entriesOf(51, 60, 2) });
    await harness.until('persisted', hasPersisted(harness, 3));
    await harness.close();
    for (let round = 0; round < 2; round += 1) {
      const { recovery } = await harness.open();
      assert.is(recovery.log.snapshot.index, 50);
      assert.is(shown(recovery.log), range(51, 60, 2));
      await harness.close();
    }
  });

  it('a received snapshot keeps a log that agrees', async (harness) => {
    const { port } = await harness.open();
    port.write({ token: 1, entries: entriesOf(1, 10) });
    port.write({ token: 2, entries: [], snapshot: { meta: metaOf(6), data: new Uint8Array(3) } });
    await harness.until('persisted', hasPersisted(harness, 2));
    await harness.close();
    assert.is(shown((await harness.open()).recovery.log), range(7, 10));
  });
}

function failing(it: It): void {
  it('a failure is told once, and nothing is written after it', async (harness) => {
    const { port } = await harness.open();
    port.write({ token: 1, entries: entriesOf(1, 3) });
    await harness.until('persisted', hasPersisted(harness, 1));
    await harness.fail();
    port.write({ token: 2, entries: entriesOf(4, 4, 1, 400_000) });
    const failures = (): DiskEvent[] => harness.events.filter((event) => event.type === 'disk-failed');
    await harness.until('failed', () => failures().length > 0);
    port.write({ token: 3, entries: entriesOf(5, 5) });
    port.saveFact('late', 'yes');
    port.saveSnapshot(metaOf(3), [new Uint8Array(3)], index(3));
    await harness.crash();
    const { recovery } = await harness.open();
    assert.is(failures().length, 1);
    assert.not(hasPersisted(harness, 2)());
    assert.is(shown(recovery.log), range(1, 3));
    assert.is(recovery.log.snapshot.index, 0);
    assert.equal(recovery.facts, {});
  });
}

/** The error that the disk refuses to be opened with. */
async function refusal(harness: DiskHarness): Promise<Error> {
  try {
    await harness.open();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('it was opened');
}

/** In which file, where, and what to do. */
const advice = new RegExp('^\\S+ is damaged at byte \\d+: .+\\. Nothing was changed\\. Keep a copy of '
  + '(\\S+)\\. '
  + "Then restore \\1/log from a backup of this peer's, or remove \\1/log and let the peer come back as a "
  + 'learner with `shoal join ADDRESS --token T`\\.$');

function damaged(it: It): void {
  it('a bad record that good ones follow is refused each time, with what to do', async (harness) => {
    const { port } = await harness.open();
    for (let n = 1; n <= 3; n += 1) {
      port.write({ token: n, entries: entriesOf(n, n) });
      await harness.until('persisted', hasPersisted(harness, n));
    }
    await harness.close();
    await harness.damage('record');
    for (let round = 0; round < 2; round += 1) {
      const { name, message } = await refusal(harness);
      assert.is(name, 'DiskDamage');
      assert.match(message, advice);
      assert.match(message, /\/\d{12}\.log is damaged at byte 4096: the record there fails its checksum/);
      assert.match(message, /, and a valid one follows at byte \d+, so this is no write that a crash cut /);
    }
  });

  it('a bad snapshot is refused, with what to do', async (harness) => {
    const { port } = await harness.open();
    port.write({ token: 1, entries: entriesOf(1, 8) });
    port.saveSnapshot(metaOf(5), [new Uint8Array(1_000).fill(3)], index(5));
    await harness.until('saved', hasSaved(harness, 5));
    await harness.close();
    await harness.damage('snapshot');
    const { name, message } = await refusal(harness);
    assert.is(name, 'DiskDamage');
    assert.match(message, advice);
    assert.match(message, /\/0{14}5\.snapshot is damaged at byte \d+: the data fails its checksum\./);
  });
}
