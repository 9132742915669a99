// The containers contract on a real Docker engine, and what only Docker has: registries, limits, labels.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Dockerode from 'dockerode';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type {
  ContainerFact, ContainersEvent, ContainerSpec, RuntimeCall, RuntimeFailure,
} from '../../cluster/ports.ts';
import { createDockerRuntime } from '../../runtime/ports/docker.ts';
import { helloImage } from '../../runtime/ports/image/archive.ts';
import { busybox, containersOf, makeBusybox, needingDocker } from '../docker.ts';
import { needingRegistry, startRegistry } from '../registry.ts';
import { containersContract } from './containers.ts';
import type { ContainersHarness } from './containers.ts';
import { shellOf, shellWords, sleepers } from './programs.ts';

const docker = new Dockerode();
const register = await needingDocker(test);
let owners = 0, image: Promise<string> | null = null;

test.after(async () => { if (image !== null) await docker.getImage(busybox).remove(); });
containersContract(register, 'docker', () => onDocker());

interface DockerHarness extends ContainersHarness {
  readonly owner: string;
  call(call: RuntimeCall): Promise<Extract<ContainersEvent, { type: 'runtime-done' }>>;
  fails(call: RuntimeCall): Promise<RuntimeFailure>;
}

/** An owner of its own for every test. What it leaves behind is an error. */
async function onDocker(): Promise<DockerHarness> {
  image ??= makeBusybox(docker);
  await image;
  const events: ContainersEvent[] = [], dir = mkdtempSync(join(tmpdir(), 'shoal-docker-'));
  const owner = `contract-${process.pid}-${owners += 1}`;
  const open = () => createDockerRuntime({ owner, dir, deliver: (event) => events.push(event) });
  let port = open(), calls = 0;
  const until = async (what: string, condition: () => boolean, ms = 60_000): Promise<void> => {
    const deadline = performance.now() + ms;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error(`${what}: did not come to pass within ${ms} ms`);
      await sleep(5);
    }
  };
  async function answer(call: RuntimeCall): Promise<ContainersEvent> {
    const op = `harness-${calls += 1}`;
    port.call(op, call);
    const found = () => events.find((event) => 'op' in event && event.op === op);
    await until(`${op} ${call.call}`, () => found() !== undefined);
    return found() as ContainersEvent;
  }
  async function done(call: RuntimeCall): Promise<Extract<ContainersEvent, { type: 'runtime-done' }>> {
    const event = await answer(call);
    if (event.type !== 'runtime-done') throw new Error(`${call.call}: ${JSON.stringify(event)}`);
    return event;
  }
  return {
    call: done, port: () => port, events, until, owner, missingImage: '127.0.0.1:1/no/such:1',
    pulledImage: helloImage.name,
    pass: (ms) => sleep(ms),
    killPeer: () => port.close(),
    async startPeer() { port = open(); },
    program: (program) => ({
      image: busybox, args: [],
      command: ['/bin/sh', '-c', program.does === 'serve'
        ? `echo ready; exec nc -ll -p ${program.port} -e cat` : shellOf(program)],
    }),
    words: shellWords, programs: sleepers,
    async fails(call) {
      const event = await answer(call);
      if (event.type !== 'runtime-failed') throw new Error(`${call.call} was expected to fail`);
      return event.failure;
    },
    async close() {
      const { list } = await done({ call: 'list' });
      for (const { id } of list?.sandboxes ?? []) await done({ call: 'remove-sandbox', id });
      await port.close();
      const left = await containersOf(docker, owner);
      assert.equal(left.map(({ Names }) => Names), [], 'nothing is left behind');
      rmSync(dir, { recursive: true });
    },
  };
}

let pods = 0;

const nothing: Omit<ContainerSpec, 'pod' | 'sandbox'> = {
  name: 'main', attempt: 0, image: busybox, command: [], args: [], workingDir: '', env: [],
  cpuRequestMilli: 0, cpuLimitMilli: 0, memoryLimitBytes: 0, stdin: false, tty: false,
};

type Place = Pick<ContainerSpec, 'pod' | 'sandbox'>;

async function makePod(harness: DockerHarness): Promise<Place & { readonly ip: string }> {
  const pod = { namespace: 'contract', name: `extra-${pods += 1}`, uid: `${process.pid}-${pods}` };
  const { value, sandbox } = await harness.call({
    call: 'create-sandbox', sandbox: { pod, attempt: 0, hostname: pod.name, hostNetwork: false, ports: [] },
  });
  return { pod, sandbox: value, ip: sandbox?.ip ?? '' };
}

/** Makes a container and starts it, in a pod of its own unless one is given; its id. */
async function launch(
  harness: DockerHarness, script: string, more: Partial<ContainerSpec> = {}, place?: Place,
): Promise<string> {
  const { pod, sandbox } = place ?? await makePod(harness);
  const { value: id } = await harness.call({
    call: 'create-container',
    container: { ...nothing, pod, sandbox, command: ['/bin/sh', '-c', script], ...more },
  });
  await harness.call({ call: 'start-container', id });
  return id;
}

const lastFact = (harness: DockerHarness, id: string): ContainerFact | undefined =>
  harness.events.filter((event) => event.type === 'container-changed')
    .findLast((event) => event.container.id === id)?.container;

async function exited(harness: DockerHarness, id: string): Promise<ContainerFact> {
  await harness.until(`${id} exits`, () => lastFact(harness, id)?.state === 'exited');
  return lastFact(harness, id) as ContainerFact;
}

/** A test of Docker alone, with a harness that is closed whatever happens. */
function onDockerOnly(what: string, body: (harness: DockerHarness) => Promise<void>): void {
  register(`docker: ${what}`, async () => {
    const harness = await onDocker();
    try {
      await body(harness);
    } finally {
      await harness.close();
    }
  });
}

onDockerOnly('CPU and memory limits reach the engine', async (harness) => {
  const memoryLimitBytes = 64 * 1024 * 1024;
  const limits = { cpuRequestMilli: 500, cpuLimitMilli: 250, memoryLimitBytes };
  const id = await launch(harness, 'sleep 100', limits);
  const { HostConfig: host } = await docker.getContainer(id).inspect();
  assert.equal([host.CpuShares, host.CpuPeriod, host.CpuQuota], [512, 100_000, 25_000]);
  assert.equal([host.Memory, host.MemorySwap], [memoryLimitBytes, memoryLimitBytes], 'no swap on top');
  const free = await launch(harness, 'sleep 100');
  const unlimited = (await docker.getContainer(free).inspect()).HostConfig;
  assert.equal([unlimited.CpuShares, unlimited.CpuQuota, unlimited.Memory], [2, 0, 0]);
});

onDockerOnly('a program that outgrows its memory is reported as killed for it', async (harness) => {
  const id = await launch(harness, 'exec tail /dev/zero', { memoryLimitBytes: 16 * 1024 * 1024 });
  assert.is((await exited(harness, id)).exitCode, 137);
  // The kernel tells the engine of the two in any order.
  await harness.until('the engine knows why', () => lastFact(harness, id)?.oomKilled === true);
});

onDockerOnly('the containers of a pod share its network, not those of other pods', async (harness) => {
  const place = await makePod(harness);
  await launch(harness, 'echo page >/tmp/index.html; exec httpd -f -p 8080 -h /tmp', {}, place);
  const fetchPage = (ip: string): string => `until wget -q -O - http://${ip}:8080/; do sleep 0.1; done`;
  const beside = await launch(harness, fetchPage('127.0.0.1'), { name: 'beside', workingDir: '/tmp' }, place);
  assert.is((await exited(harness, beside)).exitCode, 0);
  const other = await launch(harness, fetchPage(place.ip));
  assert.is((await exited(harness, other)).exitCode, 0, 'another pod reaches it by its address');
  const alone = await launch(harness, 'wget -q -O - http://127.0.0.1:8080/');
  assert.is.not((await exited(harness, alone)).exitCode, 0, 'another pod has a loopback of its own');
});

onDockerOnly('a program leaves its last words', async (harness) => {
  const path = '/dev/termination-log', file = { terminationMessagePath: path };
  const log = { ...file, terminationMessagePolicy: 'FallbackToLogsOnError' as const };
  const messageOf = async (script: string, spec: Partial<ContainerSpec>): Promise<string> =>
    (await exited(harness, await launch(harness, script, spec))).message;
  assert.is(await messageOf(`echo -n 'no such table' >${path}; exit 4`, file), 'no such table');
  const long = `i=0; while [ $i -lt 600 ]; do echo -n 0123456789 >>${path}; i=$((i+1)); done`;
  assert.is((await messageOf(long, file)).length, 4_096);
  assert.is(await messageOf('echo first; echo last; exit 5', log), 'first\nlast');
  assert.is(await messageOf('echo fine', log), '');
});

onDockerOnly('what can not be started is told in the engine\'s words', async (harness) => {
  const { pod, sandbox } = await makePod(harness);
  const container: ContainerSpec = { ...nothing, pod, sandbox, command: ['/no/such/program'] };
  const { value: id } = await harness.call({ call: 'create-container', container });
  const failure = await harness.fails({ call: 'start-container', id });
  assert.is(failure.reason, 'RunContainerError');
  assert.match(failure.message, /no such file or directory/);
  const missing = { ...container, name: 'other', image: 'shoal.test/never-made:1' };
  const absent = await harness.fails({ call: 'create-container', container: missing });
  assert.is(absent.reason, 'CreateContainerError');
  assert.match(absent.message, /No such image/);
  assert.is((await harness.fails({ call: 'pull', image: 'Not An Image' })).reason, 'InvalidImageName');
});

onDockerOnly('it is told whether the engine answers', async (harness) => {
  const up = () => harness.events.some((event) => event.type === 'runtime-health' && event.up);
  await harness.until('the engine is up', up);
  const events: ContainersEvent[] = [], dir = mkdtempSync(join(tmpdir(), 'shoal-docker-'));
  const lost = createDockerRuntime({
    socketPath: join(dir, 'no.sock'), owner: 'nobody', dir, deliver: (event) => events.push(event),
  });
  lost.call('1', { call: 'list' });
  await harness.until('an answer', () => events.some((event) => event.type === 'runtime-failed')
    && events.some((event) => event.type === 'runtime-health'));
  await lost.close();
  rmSync(dir, { recursive: true });
  for (const event of events) {
    if (event.type === 'runtime-failed') assert.is(event.failure.reason, 'RuntimeUnavailable');
    if (event.type === 'runtime-health') assert.is(event.up, false);
  }
});

// ── a registry ───────────────────────────────────────────────────────────────────────────────────────────

const withRegistry = needingRegistry(test, register);

withRegistry('docker: pulls from a registry, and tells its errors', async () => {
  const harness = await onDocker(), registry = await startRegistry();
  const name = `${registry.address}/contract/page:1`;
  try {
    const id = await registry.push(docker, busybox, 'contract/page:1');
    assert.is((await harness.call({ call: 'image', image: name })).value, '', 'gone from the engine');
    assert.is((await harness.call({ call: 'pull', image: name })).value, id);
    assert.is((await harness.call({ call: 'image', image: name })).value, id);
    const missing = await harness.fails({ call: 'pull', image: name.replace(/1$/, '2') });
    assert.is(missing.reason, 'ErrImagePull');
    assert.ok(missing.retry);
    assert.match(missing.message, /manifest (for .* )?(not found|unknown)/);
    const unheard = await harness.fails({ call: 'pull', image: name.replace('page', 'none') });
    assert.match(unheard.message, /not found|unknown/);
    await registry.stop();
    const silent = await harness.fails({ call: 'pull', image: name });
    assert.is(silent.reason, 'ErrImagePull');
    assert.match(silent.message, /connection refused/);
  } finally {
    await registry.stop();
    await docker.getImage(name).remove().catch(() => undefined);
    await harness.close();
  }
});

test.run();
