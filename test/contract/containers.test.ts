// The containers contract, run on the simulated runtime and on the embedded one. Docker's has its own file.

import { test } from 'uvu';
import { createRandom } from '../../cluster/random.ts';
import type { ContainersEvent, ContainerSpec } from '../../cluster/ports.ts';
import { createSimContainers, createSimHost } from '../../sim/ports/containers.ts';
import { containersContract } from './containers.ts';
import type { ContainersHarness, Program } from './containers.ts';

containersContract(test, 'simulated', async () => simulated());

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
    case 'print-env': return [
      { name: 'SIM_PRINT_ENV', value: program.names.join('|') }, { name: 'SIM_EXIT_AFTER_MS', value: '0' },
    ];
  }
}

test.run();
