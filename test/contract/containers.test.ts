// The containers contract, run on the simulated runtime and on the embedded one. Docker's has its own file.

import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createRandom } from '../../cluster/random.ts';
import type { ContainersEvent, ContainerSpec } from '../../cluster/ports.ts';
import { createProcessRuntime } from '../../runtime/ports/process.ts';
import { createSimContainers, createSimHost } from '../../sim/ports/containers.ts';
import { containersContract } from './containers.ts';
import type { ContainersHarness } from './containers.ts';
import { shellOf, shellWords, sleepers } from './programs.ts';
import type { ExecProgram, Program } from './programs.ts';

containersContract(test, 'simulated', async () => simulated());
if (process.platform === 'linux') containersContract(test, 'process', async () => embedded());
else console.log('SKIP process: the embedded runtime needs Linux');

/** A world of one machine: a list of (time, sequence), advanced by whoever waits. */
function simulated(): ContainersHarness {
  const events: ContainersEvent[] = [];
  const queue: { readonly atMs: number; readonly work: () => void }[] = [];
  const epochMs = Date.parse('2026-01-01T00:00:00Z');
  let nowMs = 0;
  const host = createSimHost({
    schedule: (ms, work) => {
      queue.push({ atMs: nowMs + ms, work });
      queue.sort((a, b) => a.atMs - b.atMs);
    },
    wallMs: () => epochMs + nowMs, random: createRandom(1), addressPrefix: '10.1.4',
  });
  const attach = () => createSimContainers({ host, deliver: (event) => events.push(event) });
  let port = attach();
  const step = (limitMs: number): boolean => {
    const next = queue[0];
    if (next === undefined || next.atMs > limitMs) return false;
    queue.shift();
    nowMs = next.atMs;
    next.work();
    return true;
  };
  return {
    port: () => port, events, missingImage: 'missing:1',
    async until(what, condition, ms = 60_000) {
      const limitMs = nowMs + ms;
      while (!condition()) if (!step(limitMs)) throw new Error(`${what}: did not come to pass`);
    },
    async pass(ms) {
      const limitMs = nowMs + ms;
      while (step(limitMs));
      nowMs = limitMs;
    },
    async killPeer() { port.detach(); },
    async startPeer() { port = attach(); },
    program: (program) => ({ image: 'sim/program:1', command: [], args: [], env: simEnv(program) }),
    words: simWords,
    async close() { port.detach(); },
  };
}

function simEnv(program: Program): ContainerSpec['env'] {
  switch (program.does) {
    case 'run': return [{ name: 'SIM_PRINT', value: 'ready' }];
    case 'ignore-term': return [
      { name: 'SIM_PRINT', value: 'ready' }, { name: 'SIM_IGNORE_TERM', value: '1' },
    ];
    case 'exit': return [
      { name: 'SIM_PRINT', value: program.lines.join('|') },
      { name: 'SIM_EXIT_AFTER_MS', value: String(program.afterMs) },
      { name: 'SIM_EXIT_CODE', value: String(program.code) },
    ];
    case 'late': return [
      { name: 'SIM_PRINT', value: 'ready' }, { name: 'SIM_PRINT_LATER', value: program.lines.join('|') },
      { name: 'SIM_PRINT_AFTER_MS', value: String(program.afterMs) },
    ];
    case 'serve': return [
      { name: 'SIM_PRINT', value: 'ready' }, { name: 'SIM_LISTEN', value: String(program.port) },
    ];
    case 'print-env': return [
      { name: 'SIM_PRINT_ENV', value: program.names.join('|') }, { name: 'SIM_EXIT_AFTER_MS', value: '0' },
    ];
  }
}

function simWords(program: ExecProgram): readonly string[] {
  switch (program.does) {
    case 'echo': case 'echo-error': return [program.does, program.text];
    case 'exit': return ['exit', String(program.code)];
    default: return [program.does];
  }
}

const echoServer = (port: number): string => "require('node:net').createServer((socket) => { "
  + `socket.pipe(socket); socket.on('error', () => {}); }).listen(${port}, process.env.HOST, `
  + "() => console.log('ready'));";

/** The embedded runtime in a directory of its own. What a test leaves behind is an error. */
function embedded(): ContainersHarness {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-contract-'));
  const events: ContainersEvent[] = [];
  const deliver = (event: ContainersEvent): void => { events.push(event); };
  const open = () => createProcessRuntime({ dir, hostIP: '127.0.0.200', deliver });
  let port = open();
  const until = async (what: string, condition: () => boolean, ms = 60_000): Promise<void> => {
    const deadline = performance.now() + ms;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error(`${what}: did not come to pass within ${ms} ms`);
      await sleep(5);
    }
  };
  return {
    port: () => port, events, until, missingImage: 'docker.io/library/nginx:1',
    pass: (ms) => sleep(ms),
    killPeer: () => port.close(),
    async startPeer() { port = open(); },
    program: (program) => ({
      image: 'shoal.dev/host', args: [],
      command: program.does === 'serve' ? [process.execPath, '-e', echoServer(program.port)]
        : ['/bin/sh', '-c', shellOf(program)],
    }),
    words: shellWords, programs: sleepers,
    async close() {
      port.call('close', { call: 'list' });
      const listed = () => events.find((event) => event.type === 'runtime-done' && event.op === 'close');
      await until('the last list', () => listed() !== undefined);
      const left = listed();
      const sandboxes = left?.type === 'runtime-done' ? left.list?.sandboxes ?? [] : [];
      for (const { id } of sandboxes) port.call(`close-${id}`, { call: 'remove-sandbox', id });
      await until('the removal of all sandboxes', () => sandboxes.every(({ id }) =>
        events.some((event) => event.type === 'runtime-done' && event.op === `close-${id}`)));
      await port.close();
      for (const part of ['sandboxes', 'containers']) assert.equal(readdirSync(join(dir, part)), []);
      rmSync(dir, { recursive: true });
      assert.not(existsSync(dir));
    },
  };
}

test.run();
