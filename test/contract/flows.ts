// The part of the containers port's contract that is about flows: exec, attach and connections to a pod's
// port.

import * as assert from 'uvu/assert';
import { limits } from '../../cluster/limits.ts';
import type { FlowChannel, FlowEnd, FlowInput, FlowTarget } from '../../cluster/flow.ts';
import type { Bench, Run } from './containers.ts';
import type { ExecProgram, Program } from './programs.ts';

export function flows(run: Run): void {
  programs(run);
  streams(run);
  endings(run);
  attached(run);
  connections(run);
}

type ExecTarget = Extract<FlowTarget, { kind: 'exec' }>;

let opened = 0;

function openFlow({ harness }: Bench, target: FlowTarget, credit = 1_000_000) {
  const flow = `flow-${opened += 1}`, before = harness.events.length;
  harness.port().openFlow(flow, target, credit);
  assert.is(harness.events.length, before, 'nothing is delivered from inside a call');
  const own = () => harness.events.filter((event) => 'flow' in event && event.flow === flow);
  const outputs = () => own().filter((event) => event.type === 'flow-output');
  const ends = () => own().filter((event) => event.type === 'flow-end');
  const bytes = (channel: FlowChannel): Buffer =>
    Buffer.concat(outputs().filter((event) => event.channel === channel).map(({ data }) => data));
  return {
    flow, own, outputs, bytes,
    text: (channel: FlowChannel = 'stdout') => bytes(channel).toString('utf8'),
    taken: () => own().reduce((sum, event) => sum + (event.type === 'flow-taken' ? event.bytes : 0), 0),
    input: (input: FlowInput) => harness.port().flowInput(flow, input),
    say: (text: string) => harness.port().flowInput(flow, { type: 'data', data: Buffer.from(text) }),
    async ended(ms?: number): Promise<FlowEnd> {
      await harness.until(`the end of ${flow}`, () => ends().length > 0, ms);
      assert.is(ends().length, 1, 'one end');
      assert.is(own().at(-1)?.type, 'flow-end', 'and nothing after it');
      return ends()[0]?.end as FlowEnd;
    },
  };
}

/** A running container of the program, and its sandbox. */
async function begin(bench: Bench, program: Program = { does: 'run' }) {
  const { id: sandbox } = await bench.sandbox(), id = await bench.create(sandbox, program);
  await bench.start(id);
  await bench.ready(id);
  return { sandbox, id };
}

function exec(
  bench: Bench, container: string, program: ExecProgram, more: Partial<ExecTarget> = {},
): ExecTarget {
  const command = bench.harness.words(program);
  return { kind: 'exec', container, command, stdin: false, stdout: true, stderr: true, tty: false, ...more };
}

function programs(run: Run): void {
  run('exec tells what the program says, on which channel, and its code', async (bench) => {
    const { id } = await begin(bench);
    const out = openFlow(bench, exec(bench, id, { does: 'echo', text: 'hello' }));
    assert.equal(await out.ended(), { type: 'exited', code: 0 });
    assert.equal([out.text(), out.text('stderr')], ['hello\n', '']);
    const err = openFlow(bench, exec(bench, id, { does: 'echo-error', text: 'woe' }));
    assert.equal(await err.ended(), { type: 'exited', code: 0 });
    assert.equal([err.text(), err.text('stderr')], ['', 'woe\n']);
    for (const code of [0, 3, 42]) {
      const flow = openFlow(bench, exec(bench, id, { does: 'exit', code }));
      assert.equal(await flow.ended(), { type: 'exited', code });
    }
    assert.is((await bench.listed()).containers[0]?.state, 'running', 'the container goes on');
  });

  run('exec of what is not there does not go well', async (bench) => {
    const { id } = await begin(bench);
    const end = await openFlow(bench, exec(bench, id, { does: 'unknown' })).ended();
    // Docker ends it with the code that a shell would.
    assert.ok(end.type === 'failed' ? /no-such-program|unknown/.test(end.message)
      : end.type === 'exited' && [126, 127].includes(end.code), JSON.stringify(end));
    const gone = await openFlow(bench, exec(bench, 'no-such-container', { does: 'cat' })).ended();
    assert.is(gone.type, 'failed');
  });
}

function streams(run: Run): void {
  run('exec: input is taken, said back, and has an end', async (bench) => {
    const { id } = await begin(bench);
    const flow = openFlow(bench, exec(bench, id, { does: 'cat' }, { stdin: true }));
    flow.say('one\n');
    await bench.harness.until('the first line', () => flow.text() === 'one\n');
    flow.say('two\n');
    flow.input({ type: 'eof' });
    assert.equal(await flow.ended(), { type: 'exited', code: 0 });
    assert.equal([flow.text(), flow.taken()], ['one\ntwo\n', 8]);
  });

  run('exec: no more comes than was granted, and all of it in the end', async (bench) => {
    const { id } = await begin(bench), { harness } = bench, credit = 1_000, size = limits.flowWindowBytes;
    const flow = openFlow(bench, exec(bench, id, { does: 'cat' }, { stdin: true }), credit);
    const data = Buffer.alloc(size, 'abcdefg');
    for (let at = 0; at < size; at += limits.flowChunkBytes) {
      flow.input({ type: 'data', data: data.subarray(at, at + limits.flowChunkBytes) });
    }
    flow.input({ type: 'eof' });
    await harness.until('the credit is used', () => flow.bytes('stdout').length >= credit);
    await harness.pass(300);
    assert.is(flow.bytes('stdout').length, credit, 'no more than the credit');
    harness.port().flowCredit(flow.flow, size);
    assert.equal(await flow.ended(), { type: 'exited', code: 0 });
    assert.ok(flow.bytes('stdout').equals(data), 'every byte, in order');
    assert.is(flow.taken(), size);
    for (const { data: part } of flow.outputs()) assert.ok(part.length <= limits.flowChunkBytes);
  });

  run('exec with a terminal: it has the size that it is told, and another later', async (bench) => {
    const { id } = await begin(bench), { harness } = bench;
    const terminal = { stdin: true, stderr: false, tty: true };
    const flow = openFlow(bench, exec(bench, id, { does: 'size' }, terminal));
    flow.input({ type: 'resize', columns: 91, rows: 27 });
    await harness.until('the first size', () => flow.text().includes('27 91'));
    flow.input({ type: 'resize', columns: 100, rows: 33 });
    await harness.until('the second size', () => flow.text().includes('33 100'));
    harness.port().closeFlow(flow.flow);
  });
}

function endings(run: Run): void {
  run('a flow that is closed ends its program, and tells nothing more', async (bench) => {
    const { id } = await begin(bench), { harness } = bench, mark = 97_000 + opened;
    for (const tty of [false, true]) {
      const flow = openFlow(bench, exec(bench, id, { does: 'sleep', mark }, { tty, stderr: !tty }));
      const count = (): number => harness.programs?.(mark) ?? 0;
      await harness.until('it runs', () => harness.programs === undefined || count() > 0);
      harness.port().closeFlow(flow.flow);
      await harness.until('it ends', () => count() === 0, 10_000);
      await harness.pass(100);
      assert.equal(flow.own(), []);
    }
    assert.is((await bench.listed()).containers[0]?.state, 'running', 'the container goes on');
  });

  run('programs end with their peer', async (bench) => {
    const { id } = await begin(bench), { harness } = bench, mark = 98_000 + opened;
    openFlow(bench, exec(bench, id, { does: 'sleep', mark }));
    const count = (): number => harness.programs?.(mark) ?? 0;
    await harness.until('it runs', () => harness.programs === undefined || count() > 0);
    await harness.killPeer();
    await harness.until('it ends', () => count() === 0, 10_000);
    await harness.startPeer();
    assert.is((await bench.listed()).containers[0]?.state, 'running', 'the container goes on');
  });

  run('a program ends with its container', async (bench) => {
    const { id } = await begin(bench);
    const flow = openFlow(bench, exec(bench, id, { does: 'cat' }, { stdin: true }));
    flow.say('here\n');
    await bench.harness.until('it runs', () => flow.text() === 'here\n');
    await bench.call({ call: 'stop-container', id, graceMs: 0 });
    const end = await flow.ended();
    assert.ok(end.type === 'failed' || end.type === 'exited' && end.code === 137, JSON.stringify(end));
  });
}

function attached(run: Run): void {
  run('attach tells what is printed from then on, and ends with the container', async (bench) => {
    const { id } = await begin(bench, { does: 'late', afterMs: 1_500, lines: ['late', 'later'] });
    const flow = openFlow(bench, {
      kind: 'attach', container: id, stdin: false, stdout: true, stderr: true, tty: false,
    });
    await bench.harness.until('the lines', () => flow.text() === 'late\nlater\n');
    await bench.call({ call: 'stop-container', id, graceMs: 5_000 });
    assert.equal(await flow.ended(), { type: 'closed' });
    assert.is(flow.text(), 'late\nlater\n');
  });

  run('attach that is closed leaves the container alone', async (bench) => {
    const { id } = await begin(bench);
    const flow = openFlow(bench, {
      kind: 'attach', container: id, stdin: true, stdout: true, stderr: true, tty: false,
    });
    flow.say('nobody listens');
    await bench.harness.until('the input is taken', () => flow.taken() === 14);
    bench.harness.port().closeFlow(flow.flow);
    await bench.harness.pass(300);
    assert.is((await bench.listed()).containers[0]?.state, 'running');
  });
}

function connections(run: Run): void {
  const port = 18_080;
  run('a connection to a port of the pod carries both ways and ends', async (bench) => {
    const { sandbox } = await begin(bench, { does: 'serve', port });
    const { harness } = bench, all: Buffer[] = [];
    // `ready` may be said a moment before it listens.
    let flow = openFlow(bench, { kind: 'dial', sandbox, port });
    for (let tries = 0; tries < 50; tries += 1) {
      flow.say('hello');
      await harness.until('an answer', () =>
        flow.text() === 'hello' || flow.own().at(-1)?.type === 'flow-end');
      if (flow.text() === 'hello') break;
      await harness.pass(100);
      flow = openFlow(bench, { kind: 'dial', sandbox, port });
    }
    assert.is(flow.text(), 'hello');
    for (let part = 0; part < 40; part += 1) {
      const data = Buffer.alloc(limits.flowChunkBytes, String.fromCharCode(97 + part % 26));
      all.push(data);
      const sent = flow.taken();
      flow.input({ type: 'data', data });
      await harness.until('it is taken', () => flow.taken() === sent + data.length);
      harness.port().flowCredit(flow.flow, data.length);
    }
    flow.input({ type: 'eof' });
    assert.equal(await flow.ended(), { type: 'closed' });
    assert.ok(flow.bytes('stdout').equals(Buffer.concat([Buffer.from('hello'), ...all])));
  });

  run('a port that nobody listens on is refused', async (bench) => {
    const { sandbox } = await begin(bench);
    const end = await openFlow(bench, { kind: 'dial', sandbox, port: port + 1 }).ended();
    assert.is(end.type, 'failed');
    assert.match(end.type === 'failed' ? end.message : '', /refused/i);
    const gone = await openFlow(bench, { kind: 'dial', sandbox: 'no-such-sandbox', port }).ended();
    assert.is(gone.type, 'failed');
  });
}
