// What the embedded runtime promises beyond the port's contract: children that outlive a killed peer, the
// environment to the letter, control groups, logs that rotate, refusals that say why.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { limits } from '../../cluster/limits.ts';
import type {
  ContainerFact, ContainersEvent, ContainerSpec, LogOptions, RuntimeCall, SandboxSpec,
} from '../../cluster/ports.ts';
import { createProcessRuntime } from '../../runtime/ports/process.ts';
import type { ProcessRuntimeOptions } from '../../runtime/ports/process.ts';
import { nextAddress, podAddressPrefix } from '../../runtime/ports/process/address.ts';

const hostIP = '127.0.0.201';
const pod = { namespace: 'default', name: 'web', uid: '00000000-0000-4000-8000-000000000001' };
const isRoot = process.getuid?.() === 0;

type Done = Extract<ContainersEvent, { type: 'runtime-done' }>;

/** A runtime and the few calls that the tests make of it. */
function open(dir: string, more: Partial<ProcessRuntimeOptions> = {}) {
  const events: ContainersEvent[] = [], warnings: string[] = [];
  let ops = 0;
  const runtime = createProcessRuntime({
    dir, hostIP, deliver: (event) => events.push(event), log: (line) => warnings.push(line), ...more,
  });
  async function until(what: string, condition: () => boolean): Promise<void> {
    const deadline = performance.now() + 20_000;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error(`${what}: did not come to pass`);
      await sleep(5);
    }
  }
  async function answer(call: RuntimeCall) {
    const op = `op-${(ops += 1)}`;
    runtime.call(op, call);
    const found = () => events.find((event) => 'op' in event && event.op === op);
    await until(`${call.call}`, () => found() !== undefined);
    return found() as Extract<ContainersEvent, { op: string }>;
  }
  async function call(what: RuntimeCall): Promise<Done> {
    const event = await answer(what);
    if (event.type === 'runtime-failed') throw new Error(event.failure.message);
    return event;
  }
  async function refused(what: RuntimeCall) {
    const event = await answer(what);
    if (event.type === 'runtime-done') throw new Error(`${what.call} was expected to fail`);
    return event.failure;
  }
  async function sandbox(more: Partial<SandboxSpec> = {}): Promise<string> {
    const spec = { pod, attempt: 0, hostname: 'web', hostNetwork: false, ports: [], ...more };
    return (await call({ call: 'create-sandbox', sandbox: spec })).value;
  }
  async function create(script: string, more: Partial<ContainerSpec> = {}): Promise<string> {
    const spec = containerSpec(await sandbox(), script, more);
    return (await call({ call: 'create-container', container: spec })).value;
  }
  async function run(script: string, more: Partial<ContainerSpec> = {}): Promise<string> {
    const id = await create(script, more);
    await call({ call: 'start-container', id });
    return id;
  }
  const fact = (id: string): ContainerFact | undefined => events
    .filter((event) => event.type === 'container-changed')
    .findLast((event) => event.container.id === id)?.container;
  async function exited(id: string): Promise<ContainerFact> {
    await until('exit', () => fact(id)?.state === 'exited');
    return fact(id) as ContainerFact;
  }
  async function logOf(id: string, log: Partial<LogOptions> = {}): Promise<string> {
    const stream = `log-${(ops += 1)}`;
    const all = { follow: true, timestamps: false, tailLines: null, sinceMs: null, ...log };
    runtime.openLog(stream, id, all, 1e9);
    await until('the log', () => events.some((event) => event.type === 'log-end' && event.stream === stream));
    const chunks = events.filter((event) => event.type === 'log-chunk');
    const own = chunks.filter((event) => event.stream === stream).map(({ data }) => data);
    return Buffer.concat(own).toString('utf8');
  }
  /** By another runtime, so that it works whatever became of this one. */
  async function clear(): Promise<void> {
    await runtime.close();
    const last = open(dir);
    const { list } = await last.call({ call: 'list' });
    for (const { id } of list?.sandboxes ?? []) await last.call({ call: 'remove-sandbox', id });
    await last.runtime.close();
    assert.equal(readdirSync(join(dir, 'containers')), [], 'nothing is left behind');
    rmSync(dir, { recursive: true });
  }
  return { dir, runtime, events, warnings, until, call, refused, sandbox, create, run, exited, logOf, clear };
}

function containerSpec(sandbox: string, script: string, more: Partial<ContainerSpec>): ContainerSpec {
  return {
    pod, sandbox, name: 'main', attempt: 0, image: 'shoal.dev/host', command: ['/bin/sh', '-c', script],
    args: [], workingDir: '', env: [], cpuRequestMilli: 0, cpuLimitMilli: 0, memoryLimitBytes: 0,
    stdin: false, tty: false, ...more,
  };
}

const freshDir = (): string => mkdtempSync(join(tmpdir(), 'shoal-process-'));

/** The test, with a runtime of its own that is cleared afterwards whatever happens. */
function withRuntime(
  name: string, body: (runtime: ReturnType<typeof open>) => Promise<void>,
  more: Partial<ProcessRuntimeOptions> = {},
): void {
  test(name, async () => {
    const runtime = open(freshDir(), more);
    try {
      await body(runtime);
    } finally {
      await runtime.clear();
    }
  });
}

test('children outlive a peer that is killed, and their end is found', async () => {
  const dir = freshDir();
  // This file, run with a directory, is such a peer.
  const file = fileURLToPath(import.meta.url);
  const peer = spawn(process.execPath, [file, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const id = await new Promise<string>((resolve) => {
    peer.stdout.once('data', (data: Buffer) => resolve(String(data).trim()));
  });
  const dead = new Promise((resolve) => peer.once('exit', resolve));
  peer.kill('SIGKILL');
  await dead;
  const runtime = open(dir);
  const { list } = await runtime.call({ call: 'list' });
  assert.equal(list?.containers.map((fact) => [fact.id, fact.state]), [[id, 'running']]);
  writeFileSync(join(dir, 'go'), '');
  assert.is((await runtime.exited(id)).exitCode, 9);
  assert.is(await runtime.logOf(id), 'before\nafter\n');
  await runtime.clear();
});

withRuntime('a program gets the variables of its spec, and few more', async ({ run, exited, logOf }) => {
  const env = [
    { name: 'GREETING', value: 'two\nlines' }, { name: 'my.odd-name', value: 'kept' },
    { name: 'dir', value: 'x' },
  ];
  const id = await run('', { env, command: ['env', '-0'] });
  await exited(id);
  const found = (await logOf(id)).split('\0').filter((each) => each !== '').sort();
  assert.equal(found, [
    'GREETING=two\nlines', 'HOST=127.137.1.2', 'HOSTNAME=web', 'POD_IP=127.137.1.2',
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'dir=x', 'my.odd-name=kept',
  ].sort());
});

withRuntime('what a program started ends with it', async ({ run, exited, logOf, until }) => {
  const id = await run('sleep 300 & echo $!; exit 4');
  assert.is((await exited(id)).exitCode, 4);
  const pid = Number(await logOf(id));
  await until('the end of the child', () => !isRunning(pid));
});

withRuntime('a daemon that left its group holds up neither the exit nor the log', async (runtime) => {
  const { run, exited, logOf, call, until } = runtime;
  const id = await run('setsid sleep 300 & sleep 0.2; echo $!; exit 0');
  await exited(id);
  const pid = Number(await logOf(id));
  await call({ call: 'remove-container', id });
  if (isRoot) await until('the end of the daemon', () => !isRunning(pid));
  else if (isRunning(pid)) process.kill(pid);
});

function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

withRuntime('what cannot be started says why', async ({ create, refused, call, run, exited, logOf }) => {
  const absent = await create('', { command: ['no-such-program'] });
  const failure = await refused({ call: 'start-container', id: absent });
  assert.equal([failure.reason, failure.message],
    ['RunContainerError', 'exec: "no-such-program": executable file not found in $PATH']);
  const astray = await create('', { name: 'astray', command: ['true'], workingDir: '/no/such/place' });
  assert.match((await refused({ call: 'start-container', id: astray })).message, /no such file or directory/);
  const { list } = await call({ call: 'list' });
  const facts = list?.containers.map((fact) => [fact.name, fact.state, fact.exitCode, fact.startedAtMs]);
  assert.equal(facts?.sort(), [['astray', 'exited', 126, 0], ['main', 'exited', 127, 0]]);
  const there = await run('pwd', { name: 'there', workingDir: '/usr' });
  await exited(there);
  assert.is(await logOf(there), '/usr\n');
});

withRuntime('what can not be honoured is refused by name', async ({ refused, sandbox, call }) => {
  const image = await refused({ call: 'pull', image: 'nginx:1' });
  assert.is(image.reason, 'ErrImagePull');
  assert.is(image.message, 'image "nginx:1" needs Docker, which does not run on this machine: the embedded '
    + 'runtime runs only the machine\'s own programs (image "shoal.dev/host", with a command) '
    + 'and shoal.dev/echo:1');
  const box = await sandbox();
  const create = (more: Partial<ContainerSpec>): RuntimeCall =>
    ({ call: 'create-container', container: containerSpec(box, 'true', more) });
  assert.match((await refused(create({ tty: true }))).message, /gives no terminal/);
  assert.match((await refused(create({ command: [] }))).message, /needs a command/);
  assert.match((await refused(create({ image: 'nginx:1' }))).message, /needs Docker/);
  const ports = [{ containerPort: 80, hostPort: 8080, protocol: 'TCP', hostIP: '' } as const];
  const spec = { pod: { ...pod, uid: 'other' }, attempt: 0, hostname: 'web', hostNetwork: false, ports };
  const box2 = await refused({ call: 'create-sandbox', sandbox: spec });
  assert.match(box2.message, /hostPort 8080 needs Docker/);
  assert.is((await call({ call: 'image', image: 'shoal.dev/host:any' })).value, 'host');
}, { builtins: { 'shoal.dev/echo:1': { path: '/bin/echo', args: ['one'], defaultArgs: ['two'] } } });

withRuntime('a built-in image has an entry point and default arguments', async ({ run, exited, logOf }) => {
  const said = async (name: string, more: Partial<ContainerSpec>): Promise<string> => {
    const id = await run('', { name, image: 'shoal.dev/echo:1', command: [], ...more });
    await exited(id);
    return logOf(id);
  };
  assert.is(await said('a', {}), 'one two\n');
  assert.is(await said('b', { args: ['three'] }), 'one three\n');
  assert.is(await said('c', { command: ['/bin/echo', 'four'], args: ['five'] }), 'four five\n');
}, { builtins: { 'shoal.dev/echo:1': { path: '/bin/echo', args: ['one'], defaultArgs: ['two'] } } });

withRuntime('a log is in the format of Kubernetes; long lines come out whole', async (runtime) => {
  const { run, exited, logOf, dir } = runtime;
  const id = await run('echo out; sleep 0.1; echo err >&2; sleep 0.1; '
    + 'head -c 40000 /dev/zero | tr "\\0" x; printf "\\nend"');
  await exited(id);
  const text = await logOf(id);
  assert.is(text, `out\nerr\n${'x'.repeat(40_000)}\nend`);
  const lines = readFileSync(join(dir, 'containers', id, 'log'), 'utf8').trimEnd().split('\n');
  const tags = lines.map((line) => line.split(' ').slice(1, 3).join(' '));
  assert.equal(tags, ['stdout F', 'stderr F', 'stdout P', 'stdout P', 'stdout F', 'stdout P']);
  for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /);
});

withRuntime('a log is rotated once, and readers go over the seam', async (runtime) => {
  const { run, exited, logOf, dir, until } = runtime;
  // 130,000 lines of about 100 bytes with their stamps: more than one file, less than two.
  const id = await run(`i=0; while [ $i -lt 130000 ]; do i=$((i+1)); echo "$i ${'-'.repeat(50)}"; done`);
  const whole = logOf(id);
  await exited(id);
  const lines = (await whole).trimEnd().split('\n');
  assert.is(lines.length, 130_000, 'a reader that follows gets every line');
  assert.ok(lines.every((line, i) => line.startsWith(`${i + 1} `)), 'in order');
  const files = join(dir, 'containers', id);
  await until('the last part', () => readdirSync(files).every((file) => !/^(out|err)\.\d+$/.test(file)));
  assert.ok(readFileSync(join(files, 'log')).length <= limits.containerLogBytesMax + 1024 * 1024);
  assert.ok(existsSync(join(files, 'log.1')), 'the older file is kept');
  const inLog = readFileSync(join(files, 'log'), 'utf8').split('\n').length - 1;
  const tail = (await logOf(id, { follow: false, tailLines: inLog + 10 })).trimEnd().split('\n');
  assert.is(tail.length, inLog + 10, 'the tail reaches into the older file');
  assert.is(tail.at(-1)?.split(' ')[0], '130000');
});

withRuntime('while no peer lives output is bounded, and the newest is kept', async (runtime) => {
  const { dir, run, until } = runtime;
  const line = '-'.repeat(1000);
  const id = await run(`while [ ! -e '${dir}/go' ]; do sleep 0.05; done; i=0; `
    + `while [ $i -lt 16000 ]; do i=$((i+1)); echo "$i ${line}"; done`);
  await runtime.runtime.close();
  writeFileSync(join(dir, 'go'), '');
  const files = join(dir, 'containers', id);
  await until('the end of the output', () => existsSync(join(files, 'drained')));
  const parts = readdirSync(files).filter((file) => /^out\.\d+$/.test(file));
  const bytes = parts.map((file) => readFileSync(join(files, file)).length).reduce((a, b) => a + b, 0);
  assert.ok(bytes <= limits.containerLogBytesMax + 2 ** 21, `${bytes} bytes are kept`);
  const next = open(dir);
  // The first line may have lost its beginning.
  const lines = (await next.logOf(id)).trimEnd().split('\n').slice(1).map((each) => parseInt(each, 10));
  assert.is(lines.at(-1), 16_000);
  assert.is((lines.at(-1) ?? 0) - (lines[0] ?? 0), lines.length - 1, 'without a gap');
  await next.runtime.close();
});

withRuntime('last words: from the file, or from the log if the spec says so', async ({ run, exited }) => {
  const said = await run('echo goodbye > "$TERMINATION_MESSAGE_PATH"; exit 1',
    { terminationMessagePath: '/dev/termination-log' });
  assert.is((await exited(said)).message, 'goodbye\n');
  const silent = { name: 'silent', terminationMessagePath: '/dev/termination-log' };
  assert.is((await exited(await run('echo log; exit 1', silent))).message, '');
  const terminationMessagePolicy = 'FallbackToLogsOnError';
  const fallback: Partial<ContainerSpec> = { ...silent, name: 'fallback', terminationMessagePolicy };
  assert.is((await exited(await run('echo one; echo two; sleep 0.3; exit 1', fallback))).message, 'one\ntwo');
});

withRuntime('limits are the kernel\'s to enforce', async ({ run, exited, warnings, logOf }) => {
  if (!isRoot || warnings.length > 0) {
    console.log(`SKIP limits: ${warnings[0] ?? 'control groups need root'}`);
    return;
  }
  const hungry = await run('x=; while :; do x="$x$(head -c 1000000 /dev/zero | tr "\\0" x)"; done',
    { memoryLimitBytes: 32 * 1024 * 1024, cpuLimitMilli: 500, cpuRequestMilli: 250 });
  const { exitCode, oomKilled } = await exited(hungry);
  assert.equal([exitCode, oomKilled], [137, true]);
  const own = '$(sed -n "s/^[0-9]*:\\(cpu\\|cpu,cpuacct\\|\\)://p" /proc/self/cgroup | head -n 1)';
  const script = 'cd /sys/fs/cgroup; '
    + `cat cpu${own}/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 .${own}/cpu.max`;
  const limited = await run(script, { name: 'limited', cpuLimitMilli: 500 });
  await exited(limited);
  assert.is((await logOf(limited)).trimEnd().split('\n').at(-1), '50000');
});

withRuntime('a pid that was given out again is not mistaken for the program', async (bench) => {
  const { dir, run, runtime, until } = bench;
  const id = await run('exec sleep 300');
  const files = join(dir, 'containers', id);
  const [pid = '', start = ''] = readFileSync(join(files, 'pid'), 'utf8').trim().split(' ');
  const begun = readFileSync(join(files, 'begun'), 'utf8');
  await runtime.close();
  // As after a restart of the machine: the same pids, other processes.
  writeFileSync(join(files, 'pid'), `${pid} ${Number(start) + 1}\n`);
  writeFileSync(join(files, 'begun'), begun.replace(/ \S+\n$/, ' another-boot\n'));
  const next = open(dir);
  const { list } = await next.call({ call: 'list' });
  assert.equal(list?.containers.map(({ state, exitCode }) => [state, exitCode]), [['exited', 137]]);
  await next.runtime.close();
  // Its own, to be cleared; it may not be the leader of its group yet.
  process.kill(Number(pid), 'SIGKILL');
  await until('the end of the shim', () => !isRunning(Number(begun.split(' ')[0])));
});

test('addresses: one range per peer, given out in turn', () => {
  assert.is(podAddressPrefix('127.0.0.1'), '127.65.0');
  assert.is(podAddressPrefix('127.0.0.201'), '127.137.1');
  assert.is(podAddressPrefix('10.0.0.1'), null);
  const taken = new Set(['127.65.0.2', '127.65.0.4']);
  assert.is(nextAddress('127.65.0', new Set(), null), '127.65.0.2');
  assert.is(nextAddress('127.65.0', taken, null), '127.65.0.3');
  assert.is(nextAddress('127.65.0', taken, '127.65.0.3'), '127.65.0.5');
  assert.is(nextAddress('127.65.0', taken, '127.65.0.254'), '127.65.0.3');
  const all = new Set(Array.from({ length: 253 }, (_, i) => `127.65.0.${i + 2}`));
  assert.is(nextAddress('127.65.0', all, '127.65.0.9'), null);
});

const asPeer = process.argv[2];
if (asPeer !== undefined) {
  const { run, dir } = open(asPeer);
  const id = await run(`echo before; while [ ! -e '${dir}/go' ]; do sleep 0.05; done; echo after; exit 9`);
  console.log(id);
  setInterval(() => {}, 1_000);
} else if (process.platform === 'linux') test.run();
else console.log('SKIP the embedded runtime needs Linux');
