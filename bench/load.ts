// A load in a process of its own: some clients, each with one write under way at a time, until a number of
// writes are done. Every client takes the next number that nobody has taken.

import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { count, median, ms, percentile, ratio, spread } from './figures.ts';
import { connectPut } from './grpc.ts';
import { connectMember } from './member.ts';
import { cpuMsOf } from './process.ts';
import { connectRest } from './rest.ts';
import type { RestEndpoint, RestIdentity } from './rest.ts';

export type LoadTarget =
  /** Ports of etcd's members; clients go to them in turn and share `connections` to each. */
  | {
      readonly kind: 'etcd'; readonly ports: readonly number[]; readonly secure: boolean;
      readonly connections: number;
    }
  /** The client port of the log's leader; all clients share one connection. */
  | { readonly kind: 'log'; readonly port: number }
  /** Peers' APIs; clients go to them in turn and share `connections` to each. */
  | {
      readonly kind: 'api'; readonly peers: readonly RestEndpoint[]; readonly identity: RestIdentity;
      readonly connections: number;
    };

export interface LoadSpec {
  readonly target: LoadTarget;
  readonly clients: number;
  /** Writes that are measured, and as many before them that are not. */
  readonly writes: number;
  readonly warmup: number;
  readonly valueBytes: number;
  /** Keys or names begin with it: unique in a cluster's life. */
  readonly prefix: string;
}

export interface LoadResult {
  readonly perSecond: number;
  /** CPU time of the servers for one write, all of them together. */
  readonly cpuMicros: number | null;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** One write by one client, by number; rejects if it isn't acknowledged. */
type Write = (client: number, n: number) => Promise<void>;

/** Runs the load in a fresh process; `servers` are the processes that serve it. */
export async function runLoad(spec: LoadSpec, servers: readonly number[]): Promise<LoadResult> {
  const child = startRole('load'), cpuBefore = cpuMsOf(servers);
  try {
    const result = await new Promise<LoadResult>((done, fail) => {
      child.once('message', (message: LoadResult | { error: string }) => {
        if ('error' in message) fail(new Error(message.error));
        else done(message);
      });
      child.once('exit', (code) => fail(new Error(`the load ended with ${code}`)));
      child.send(spec);
    });
    const cpuAfter = cpuMsOf(servers), writes = spec.writes + spec.warmup;
    if (cpuBefore === null || cpuAfter === null) return result;
    return { ...result, cpuMicros: ((cpuAfter - cpuBefore) * 1_000) / writes };
  } finally {
    child.disconnect();
  }
}

/** `bench/main.ts` again, as a part of a benchmark. */
export function startRole(role: string): ChildProcess {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const execArgv = ['--disable-warning=ExperimentalWarning', ...profiling(role)];
  return fork(main, ['--role', role], { execArgv });
}

/** With SHOAL_BENCH_PROFILE=role, processes of this role leave a CPU profile in the working directory. */
function profiling(role: string): string[] {
  return process.env['SHOAL_BENCH_PROFILE'] === role ? ['--cpu-prof'] : [];
}

/** The load's own process. */
export function load(): void {
  process.once('message', (spec: LoadSpec) => {
    measure(spec).then((result) => process.send?.(result), (error: unknown) => {
      process.send?.({ error: error instanceof Error ? error.message : String(error) });
    });
  });
}

async function measure(spec: LoadSpec): Promise<LoadResult> {
  const write = await connect(spec);
  await drive(write, spec.clients, spec.warmup, 0);
  const startedMs = performance.now();
  const took = await drive(write, spec.clients, spec.writes, spec.warmup);
  const seconds = (performance.now() - startedMs) / 1_000;
  took.sort();
  return {
    perSecond: spec.writes / seconds, cpuMicros: null, p50Ms: percentile(took, 50),
    p99Ms: percentile(took, 99),
  };
}

async function drive(write: Write, clients: number, writes: number, first: number): Promise<Float64Array> {
  const took = new Float64Array(writes);
  let next = 0;
  const client = async (who: number): Promise<void> => {
    while (next < writes) {
      const n = next++, startedMs = performance.now();
      await write(who, first + n);
      took[n] = performance.now() - startedMs;
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, who) => client(who)));
  return took;
}

async function connect(spec: LoadSpec): Promise<Write> {
  const { target, prefix } = spec, value = Buffer.alloc(spec.valueBytes, 'v');
  switch (target.kind) {
    case 'etcd': {
      const shared = await Promise.all(Array.from({ length: target.connections * target.ports.length },
        (_, at) => connectPut(target.ports[at % target.ports.length] ?? 0, target.secure)));
      return (client, n) => present(shared, client % shared.length).put(`/bench/${prefix}${n}`, value);
    }
    case 'log': {
      const member = await connectMember(target.port);
      return (_, n) => member.append(n, value);
    }
    case 'api': {
      const path = '/api/v1/namespaces/default/configmaps';
      const shared = await Promise.all(Array.from({ length: target.connections * target.peers.length },
        (_, at) => connectRest(present(target.peers, at % target.peers.length), target.identity)));
      return async (client, n) => {
        const body = configMap(`${prefix}${n}`, value.toString('latin1'));
        const answer = await present(shared, client % shared.length).post(path, body);
        if (answer.status !== 201) throw new Error(`a create was answered ${answer.status}: ${answer.body}`);
      };
    }
  }
}

export const configMap = (name: string, text: string): string =>
  JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { text } });

function present<T>(list: readonly T[], at: number): T {
  const found = list[at];
  if (found === undefined) throw new Error(`nothing at ${at}`);
  return found;
}

// ── figures ──────────────────────────────────────────────────────────────────────────────────────────────

/** The columns of `rowOf`, after those that say what was measured. */
export const headOf = (ours: string, etcd: string | undefined): string[] => [
  `${ours}/s`, 'p50 ms', 'p99 ms', 'cpu µs',
  etcd === undefined ? 'etcd/s' : `etcd ${etcd}/s`, 'p50 ms', 'p99 ms', 'cpu µs', `${ours}/etcd`,
];

/** Ours and etcd's side by side: medians of runs, rates with the least and the greatest. */
export function rowOf(ours: readonly LoadResult[], etcd: readonly LoadResult[]): string[] {
  const rate = (results: readonly LoadResult[]): number => median(results.map((each) => each.perSecond));
  const cells = (results: readonly LoadResult[]): string[] => {
    if (results.length === 0) return ['not installed', '-', '-', '-'];
    const cpu = results.map((each) => each.cpuMicros);
    return [
      spread(results.map((each) => each.perSecond)), ms(median(results.map((each) => each.p50Ms))),
      ms(median(results.map((each) => each.p99Ms))),
      cpu.includes(null) ? '-' : count(median(cpu.map((each) => each ?? 0))),
    ];
  };
  return [...cells(ours), ...cells(etcd), ratio(rate(ours), rate(etcd))];
}
