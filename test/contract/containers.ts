// The contract of the containers port, as a suite that every adapter must pass: the simulated runtime, the
// embedded one and Docker. It says in tests what `cluster/ports.ts` says in comments.

import * as assert from 'uvu/assert';
import type {
  ContainerFact, ContainersEvent, ContainersPort, ContainerSpec, LogOptions, PodIdentity, RuntimeCall,
  SandboxFact, SandboxSpec,
} from '../../cluster/ports.ts';
import { flows } from './flows.ts';
import type { ExecProgram, Launch, Program } from './programs.ts';
import { usage } from './usage.ts';

export interface ContainersHarness {
  /** The adapter of the peer that lives now. */
  port(): ContainersPort;
  /** All that was delivered to any peer so far, oldest first. */
  readonly events: readonly ContainersEvent[];
  /** Lets time pass until the condition holds; throws when it does not within `ms`. */
  until(what: string, condition: () => boolean, ms?: number): Promise<void>;
  pass(ms: number): Promise<void>;
  /** The peer is killed; what it started lives on. */
  killPeer(): Promise<void>;
  /** A new peer over the same machine. */
  startPeer(): Promise<void>;
  program(program: Program): Launch;
  /** The words that run one more program in a container of `program`. */
  words(program: ExecProgram): readonly string[];
  /** How many programs of that mark run on this machine; absent: nobody could tell. */
  programs?(mark: number): number;
  /** An image that can be pulled; absent: the programs'. */
  readonly pulledImage?: string;
  /** An image that can't be had. */
  readonly missingImage: string;
  /** Removes all that the test made. */
  close(): Promise<void>;
}

type Test = (name: string, body: () => Promise<void>) => void;

/** Registers the whole suite. `makeHarness` makes a machine of its own for every test. */
export function containersContract(
  test: Test, name: string, makeHarness: () => Promise<ContainersHarness>,
): void {
  const run: Run = (what, body) => test(`${name}: ${what}`, async () => {
    const harness = await makeHarness();
    const bench = createBench(harness);
    try {
      await body(bench);
      bench.checkCompletions();
    } finally {
      await harness.close();
    }
  });
  images(run);
  lives(run);
  stops(run);
  removals(run);
  restarts(run);
  usage(run);
  logs(run);
  flows(run);
}

export type Run = (what: string, body: (bench: Bench) => Promise<void>) => void;
type Done = Extract<ContainersEvent, { type: 'runtime-done' }>;
type Failed = Extract<ContainersEvent, { type: 'runtime-failed' }>;

/** A pod's name and uid, new for every test, so that tests on one machine never meet. */
let podsMade = 0;

/** Calls, and their completions. */
function createCalls(harness: ContainersHarness) {
  const started = new Set<string>();
  const answers = (op: string): (Done | Failed)[] => harness.events.filter((event): event is Done | Failed =>
    (event.type === 'runtime-done' || event.type === 'runtime-failed') && event.op === op);

  function begin(call: RuntimeCall): string {
    const op = `op-${started.size + 1}-${call.call}`;
    started.add(op);
    const before = harness.events.length;
    harness.port().call(op, call);
    assert.is(harness.events.length, before, 'nothing is delivered from inside a call');
    return op;
  }
  async function end(op: string): Promise<Done | Failed> {
    await harness.until(op, () => answers(op).length > 0);
    return answers(op)[0] as Done | Failed;
  }
  async function call(call: RuntimeCall): Promise<Done> {
    const answer = await end(begin(call));
    if (answer.type === 'runtime-failed') throw new Error(`${call.call}: ${answer.failure.message}`);
    return answer;
  }
  async function refused(call: RuntimeCall): Promise<Failed['failure']> {
    const answer = await end(begin(call));
    if (answer.type === 'runtime-done') throw new Error(`${call.call} was expected to fail`);
    assert.ok(answer.failure.message.length > 0, 'a failure has a message');
    return answer.failure;
  }
  function checkCompletions(): void {
    for (const op of started) assert.is(answers(op).length, 1, `${op} is answered exactly once`);
  }
  return { begin, end, call, refused, checkCompletions };
}

function createBench(harness: ContainersHarness) {
  const calls = createCalls(harness);
  const { call } = calls;
  const pod: PodIdentity = podIdentity();

  async function sandbox(attempt = 0, of = pod): Promise<SandboxFact> {
    const spec: SandboxSpec = { pod: of, attempt, hostname: of.name, hostNetwork: false, ports: [] };
    const { sandbox } = await call({ call: 'create-sandbox', sandbox: spec });
    assert.ok(sandbox, 'create-sandbox gives the fact');
    return sandbox as SandboxFact;
  }
  async function create(
    sandbox: string, program: Program, more: Partial<ContainerSpec> = {},
  ): Promise<string> {
    const { image, command, args, env } = harness.program(program);
    const container: ContainerSpec = {
      pod, sandbox, name: 'main', attempt: 0, image, command, args, workingDir: '',
      cpuRequestMilli: 0, cpuLimitMilli: 0, memoryLimitBytes: 0, stdin: false, tty: false,
      ...more, env: [...(env ?? []), ...(more.env ?? [])],
    };
    if ((await call({ call: 'image', image })).value === '') await call({ call: 'pull', image });
    const { value } = await call({ call: 'create-container', container });
    assert.ok(value.length > 0, 'create-container gives an id');
    return value;
  }
  async function start(id: string): Promise<ContainerFact> {
    const { container } = await call({ call: 'start-container', id });
    assert.ok(container, 'start-container gives the fact');
    return container as ContainerFact;
  }
  const lastFact = (id: string): ContainerFact | null => {
    const facts = harness.events.filter((event) => event.type === 'container-changed');
    return facts.findLast((event) => event.container.id === id)?.container ?? null;
  };
  async function exited(id: string, ms = 60_000): Promise<ContainerFact> {
    await harness.until(`${id} exits`, () => lastFact(id)?.state === 'exited', ms);
    return lastFact(id) as ContainerFact;
  }
  async function listed() {
    const { list } = await call({ call: 'list' });
    assert.ok(list, 'list gives a list');
    const ours = (fact: { pod: PodIdentity }): boolean => fact.pod.uid === pod.uid;
    return { sandboxes: list?.sandboxes.filter(ours) ?? [], containers: list?.containers.filter(ours) ?? [] };
  }
  return {
    ...calls, harness, pod, sandbox, create, start, exited, listed,
    readLog: (id: string, options: Partial<LogOptions> = {}) => readLog(harness, id, options),
    /** Waits until the program has set up its signals, which it says by its first line. */
    async ready(id: string): Promise<void> {
      const log = openStream(harness, id, { follow: true }, 1_000);
      await harness.until('the first line', () => log.text().includes('ready'));
      harness.port().closeLog(log.stream);
    },
  };
}

export type Bench = ReturnType<typeof createBench>;

function podIdentity(): PodIdentity {
  podsMade += 1;
  const tail = `${process.pid}${String(podsMade).padStart(4, '0')}`.padStart(12, '0');
  return { namespace: 'contract', name: `pod-${tail}`, uid: `00000000-0000-4000-8000-${tail}` };
}

let streams = 0;

function openStream(harness: ContainersHarness, id: string, options: Partial<LogOptions>, credit: number) {
  streams += 1;
  const stream = `stream-${streams}`;
  harness.port().openLog(stream, id,
    { follow: false, timestamps: false, tailLines: null, sinceMs: null, ...options }, credit);
  const ends = (): Extract<ContainersEvent, { type: 'log-end' }>[] =>
    harness.events.filter((event) => event.type === 'log-end').filter((event) => event.stream === stream);
  return {
    stream, ends,
    text(): string {
      const parts: Uint8Array[] = [];
      for (const event of harness.events) {
        if (event.type === 'log-chunk' && event.stream === stream) parts.push(event.data);
      }
      return Buffer.concat(parts).toString('utf8');
    },
    ended: () => harness.until(`the end of ${stream}`, () => ends().length > 0),
  };
}

async function readLog(
  harness: ContainersHarness, id: string, options: Partial<LogOptions>,
): Promise<string> {
  const log = openStream(harness, id, options, 1_000_000);
  await log.ended();
  assert.is(log.ends()[0]?.error, null, 'the log ends without an error');
  assert.is(log.ends().length, 1, 'one log-end');
  return log.text();
}

function images(run: Run): void {
  run('pulls an image and then has it', async ({ harness, call }) => {
    const image = harness.pulledImage ?? harness.program({ does: 'run' }).image;
    await call({ call: 'pull', image });
    assert.ok((await call({ call: 'image', image })).value.length > 0, 'the id of an image that is here');
  });

  run('does not have what is not there, and says why it can not be pulled', async (bench) => {
    const { harness, call, refused } = bench;
    assert.is((await call({ call: 'image', image: harness.missingImage })).value, '');
    assert.is((await refused({ call: 'pull', image: harness.missingImage })).reason, 'ErrImagePull');
  });
}

function lives(run: Run): void {
  run('a sandbox has an address, and is made once', async ({ sandbox, pod, listed }) => {
    const first = await sandbox();
    assert.equal(first.pod, pod);
    assert.ok(first.running);
    assert.is(first.attempt, 0);
    assert.match(first.ip, /^\d+\.\d+\.\d+\.\d+$/);
    assert.is((await sandbox()).id, first.id, 'creating what exists adopts it');
    assert.is((await listed()).sandboxes.length, 1);
  });

  run('a container runs and exits with its code', async (bench) => {
    const { sandbox, create, start, exited, pod, listed, harness } = bench;
    const { id: box } = await sandbox();
    const id = await create(box, { does: 'exit', code: 3, afterMs: 200, lines: [] });
    const created = (await listed()).containers;
    assert.equal(created.map((fact) => [fact.id, fact.state, fact.startedAtMs]), [[id, 'created', 0]]);
    const fact = await start(id);
    assert.is(fact.state, 'running');
    assert.ok(fact.startedAtMs > 0);
    assert.equal(fact.pod, pod);
    assert.is(fact.sandbox, box);
    assert.equal([fact.name, fact.image], ['main', harness.program({ does: 'run' }).image], 'as in the spec');
    const end = await exited(id);
    assert.equal([end.exitCode, end.oomKilled], [3, false]);
    assert.ok(end.finishedAtMs >= end.startedAtMs && end.startedAtMs > 0);
    const after = (await listed()).containers;
    assert.equal(after.map((each) => [each.id, each.state, each.exitCode]), [[id, 'exited', 3]]);
  });

  run('creating and starting again changes nothing', async ({ sandbox, create, start, listed }) => {
    const { id: box } = await sandbox();
    const id = await create(box, { does: 'run' });
    assert.is(await create(box, { does: 'run' }), id);
    const first = await start(id), second = await start(id);
    assert.is(second.startedAtMs, first.startedAtMs);
    assert.is((await listed()).containers.length, 1);
    const again = await create(box, { does: 'run' }, { attempt: 1 });
    assert.is.not(again, id, 'another attempt is another container');
    const { containers } = await listed();
    assert.equal(containers.map((fact) => fact.attempt).sort(), [0, 1]);
  });

  run('a program sees the environment of its spec', async ({ sandbox, create, start, exited, readLog }) => {
    const { id: box } = await sandbox();
    const env = [{ name: 'GREETING', value: 'hello = "world" $HOME' }, { name: 'EMPTY', value: '' }];
    const id = await create(box, { does: 'print-env', names: ['GREETING', 'EMPTY'] }, { env });
    await start(id);
    await exited(id);
    assert.is(await readLog(id, { follow: true }), 'GREETING=hello = "world" $HOME\nEMPTY=\n');
  });

  run('what is not there can not be started', async ({ refused }) => {
    assert.is((await refused({ call: 'start-container', id: 'f'.repeat(64) })).reason, 'NotFound');
  });
}

function stops(run: Run): void {
  run('SIGTERM ends a program before its grace is over', async (bench) => {
    const { sandbox, create, start, call, exited, ready } = bench;
    const { id: box } = await sandbox();
    const id = await create(box, { does: 'run' });
    await start(id);
    await ready(id);
    await call({ call: 'stop-container', id, graceMs: 50_000 });
    const fact = await exited(id, 5_000);
    assert.ok(fact.finishedAtMs - fact.startedAtMs < 40_000);
  });

  run('SIGKILL ends one that does not listen', async (bench) => {
    const { sandbox, create, start, call, exited, ready, harness, begin, end } = bench;
    const { id: box } = await sandbox();
    const id = await create(box, { does: 'ignore-term' });
    await start(id);
    await ready(id);
    const op = begin({ call: 'stop-container', id, graceMs: 1_000 });
    await harness.pass(500);
    const answered = harness.events.some((event) => 'op' in event && event.op === op);
    assert.not(answered, 'not before the grace is over');
    assert.is((await end(op)).type, 'runtime-done');
    assert.is((await exited(id)).exitCode, 137);
    await call({ call: 'stop-container', id, graceMs: 1_000 });
  });

  run('a later, shorter grace shortens the first', async (bench) => {
    const { sandbox, create, start, exited, ready, begin, end } = bench;
    const { id: box } = await sandbox();
    const id = await create(box, { does: 'ignore-term' });
    await start(id);
    await ready(id);
    const long = begin({ call: 'stop-container', id, graceMs: 50_000 });
    const short = begin({ call: 'stop-container', id, graceMs: 200 });
    const fact = await exited(id, 20_000);
    assert.ok(fact.finishedAtMs - fact.startedAtMs < 40_000);
    assert.is((await end(short)).type, 'runtime-done');
    assert.is((await end(long)).type, 'runtime-done');
  });

  run('stopping what has stopped, or never was, succeeds', async (bench) => {
    const { sandbox, create, start, exited, call } = bench;
    const { id: box } = await sandbox();
    const id = await create(box, { does: 'exit', code: 0, afterMs: 0, lines: [] });
    await start(id);
    await exited(id);
    await call({ call: 'stop-container', id, graceMs: 1_000 });
    await call({ call: 'stop-container', id: 'f'.repeat(64), graceMs: 1_000 });
  });
}

function removals(run: Run): void {
  run('a removed container is gone, the others stay', async (bench) => {
    const { sandbox, create, start, exited, call, listed } = bench;
    const { id: box } = await sandbox();
    const id = await create(box, { does: 'exit', code: 0, afterMs: 0, lines: ['x'] });
    await start(id);
    await exited(id);
    const other = await create(box, { does: 'run' }, { name: 'other' });
    await start(other);
    await call({ call: 'remove-container', id });
    assert.equal((await listed()).containers.map((fact) => fact.id), [other]);
    await call({ call: 'remove-container', id });
  });

  run('a removed sandbox takes its running containers along', async (bench) => {
    const { sandbox, create, start, call, listed, exited } = bench;
    const { id: box } = await sandbox();
    const first = await create(box, { does: 'run' });
    const second = await create(box, { does: 'ignore-term' }, { name: 'second' });
    await start(first);
    await start(second);
    await call({ call: 'remove-sandbox', id: box });
    assert.equal(await listed(), { sandboxes: [], containers: [] });
    await call({ call: 'remove-sandbox', id: box });
    // The name is free again.
    const again = await sandbox();
    const id = await create(again.id, { does: 'exit', code: 0, afterMs: 0, lines: [] });
    await start(id);
    await exited(id);
  });

  run('several sandboxes of a pod, and of two pods, are kept apart', async (bench) => {
    const { sandbox, listed, call, pod } = bench;
    const first = await sandbox(0), second = await sandbox(1);
    const other = await sandbox(0, podIdentity());
    assert.is(new Set([first.id, second.id, other.id]).size, 3);
    assert.is.not(other.ip, first.ip, 'each pod has an address of its own');
    assert.equal((await listed()).sandboxes.map((fact) => fact.attempt).sort(), [0, 1]);
    await call({ call: 'remove-sandbox', id: first.id });
    const left = (await listed()).sandboxes;
    assert.equal(left.map((fact) => [fact.id, fact.pod.name]), [[second.id, pod.name]]);
    await call({ call: 'remove-sandbox', id: other.id });
  });
}

function restarts(run: Run): void {
  run('containers outlive their peer, and the next one finds them', async (bench) => {
    const { sandbox, create, start, listed, call, exited, harness } = bench;
    const box = await sandbox();
    const id = await create(box.id, { does: 'run' });
    const before = await start(id);
    await harness.killPeer();
    await harness.startPeer();
    const { sandboxes, containers } = await listed();
    assert.equal(sandboxes.map((fact) => [fact.id, fact.ip, fact.running]), [[box.id, box.ip, true]]);
    assert.equal(containers.map(({ id: each, state, startedAtMs }) => [each, state, startedAtMs]),
      [[id, 'running', before.startedAtMs]]);
    await call({ call: 'stop-container', id, graceMs: 20_000 });
    assert.is((await exited(id)).state, 'exited');
  });

  run('an exit while no peer lived is found with its code', async (bench) => {
    const { sandbox, create, start, listed, harness, readLog } = bench;
    const box = await sandbox();
    const id = await create(box.id, { does: 'exit', code: 7, afterMs: 300, lines: ['good', 'bye'] });
    await start(id);
    await harness.killPeer();
    await harness.pass(1_000);
    await harness.startPeer();
    const { containers } = await listed();
    assert.equal(containers.map((fact) => [fact.id, fact.state, fact.exitCode]), [[id, 'exited', 7]]);
    assert.is(await readLog(id), 'good\nbye\n');
  });

  run('an adopted container that exits is reported', async (bench) => {
    const { sandbox, create, start, exited, harness, listed } = bench;
    const box = await sandbox();
    const id = await create(box.id, { does: 'exit', code: 5, afterMs: 1_500, lines: [] });
    await start(id);
    await harness.killPeer();
    await harness.startPeer();
    await listed();
    assert.is((await exited(id)).exitCode, 5);
  });
}

const tenLines = Array.from({ length: 10 }, (_, i) => `line ${i + 1}`);

function logs(run: Run): void {
  run('a log has the whole output, or its tail', async ({ sandbox, create, start, exited, readLog }) => {
    const { id: box } = await sandbox();
    const id = await create(box, { does: 'exit', code: 0, afterMs: 0, lines: tenLines });
    await start(id);
    await exited(id);
    assert.is(await readLog(id, { follow: true }), `${tenLines.join('\n')}\n`);
    assert.is(await readLog(id), `${tenLines.join('\n')}\n`);
    assert.is(await readLog(id, { tailLines: 2 }), 'line 9\nline 10\n');
    assert.is(await readLog(id, { tailLines: 0 }), '');
  });

  run('lines carry the time at which they were written', async (bench) => {
    const { sandbox, create, start, exited, readLog } = bench;
    const { id: box } = await sandbox();
    const id = await create(box, { does: 'exit', code: 0, afterMs: 0, lines: ['one', 'two'] });
    const { startedAtMs } = await start(id);
    await exited(id);
    await readLog(id, { follow: true });
    const lines = (await readLog(id, { timestamps: true })).trimEnd().split('\n');
    assert.is(lines.length, 2);
    for (const line of lines) {
      assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z (one|two)$/);
      assert.ok(Math.abs(Date.parse(line.split(' ')[0] ?? '') - startedAtMs) < 30_000);
    }
    assert.is(await readLog(id, { sinceMs: startedAtMs + 3_600_000 }), '');
    assert.is(await readLog(id, { sinceMs: startedAtMs - 60_000 }), 'one\ntwo\n');
  });

  run('following shows lines while the program runs', async ({ sandbox, create, start, call, harness }) => {
    const { id: box } = await sandbox();
    const id = await create(box, { does: 'run' });
    await start(id);
    const log = openStream(harness, id, { follow: true }, 100_000);
    await harness.until('the first line', () => log.text() === 'ready\n');
    assert.is(log.ends().length, 0);
    await call({ call: 'stop-container', id, graceMs: 20_000 });
    await log.ended();
    assert.is(log.ends()[0]?.error, null);
  });

  run('no more is sent than was granted', async ({ sandbox, create, start, exited, readLog, harness }) => {
    const { id: box } = await sandbox();
    const id = await create(box, { does: 'exit', code: 0, afterMs: 0, lines: tenLines });
    await start(id);
    await exited(id);
    const whole = await readLog(id, { follow: true });
    const log = openStream(harness, id, {}, 20);
    await harness.until('20 bytes', () => log.text().length >= 20);
    await harness.pass(200);
    assert.is(log.text().length, 20);
    harness.port().logCredit(log.stream, 7);
    await harness.until('27 bytes', () => log.text().length >= 27);
    await harness.pass(200);
    assert.is(log.text().length, 27);
    assert.is(log.ends().length, 0);
    harness.port().logCredit(log.stream, 100_000);
    await log.ended();
    assert.is(log.text(), whole);
  });

  run('a closed stream says nothing more', async ({ sandbox, create, start, harness, call, exited }) => {
    const { id: box } = await sandbox();
    const id = await create(box, { does: 'run' });
    await start(id);
    const log = openStream(harness, id, { follow: true }, 100_000);
    await harness.until('the first line', () => log.text() !== '');
    harness.port().closeLog(log.stream);
    await call({ call: 'stop-container', id, graceMs: 20_000 });
    await exited(id);
    await harness.pass(300);
    assert.is(log.text(), 'ready\n');
    assert.is(log.ends().length, 0);
  });

  run('a log of nothing ends with an error', async ({ harness }) => {
    const log = openStream(harness, 'f'.repeat(64), {}, 1_000);
    await log.ended();
    assert.type(log.ends()[0]?.error, 'string');
  });
}
