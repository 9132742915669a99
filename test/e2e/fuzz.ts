// The campaign of hostile requests against a peer's process: what is asked, and what must hold of answers.
//
// Whoever may write asks for a dry run, and whoever asks in earnest may not write: so that whatever is
// accepted or refused, nothing that is stored changes. All of it is read now and then, and must be as it was.
// Each request gets a well-formed answer; bytes that are no HTTP may be met with silence or an end, after
// which the peer serves all the others as before. The same seed asks the same in the same order.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import type { Pod } from '../../cluster/api/types.ts';
import { createRandom } from '../../cluster/random.ts';
import type { Random } from '../../cluster/random.ts';
import { definitions, samples } from '../hostile.ts';
import { until } from './cluster.ts';
import type { TestPeer } from './cluster.ts';
import { garbage } from './fuzz-garbage.ts';
import { drawn } from './fuzz-requests.ts';
import type { Asked } from './fuzz-requests.ts';
import { openCaller } from './fuzz-caller.ts';
import type { Answered, Caller } from './fuzz-caller.ts';

export interface Campaign {
  readonly seed: number;
  readonly requests: number;
  /** Called after each part with how many were sent. */
  readonly progress?: (done: number) => void;
}

export interface CampaignReport {
  /** How many were answered with each status; `none`: no answer to what was no request. */
  readonly statuses: ReadonlyMap<string, number>;
  readonly seconds: number;
  /** Of the peer's process: after the first tenth, and at the end. */
  readonly memoryMB: readonly [number, number];
  readonly handles: readonly [number, number];
  readonly slowestMs: number;
}

/** At once on the way; a fifth of them are connections with garbage. */
const width = 16;
/** Between two looks at all that is stored. */
const checkEvery = 2_000;

export async function campaign(
  peer: TestPeer, { seed, requests, progress }: Campaign,
): Promise<CampaignReport> {
  await populate(peer);
  const random = createRandom(seed), pid = peer.pid(), caller = await openCaller(peer);
  const before = await stored(peer), statuses = new Map<string, number>(), started = performance.now();
  let memory = [0, 0], handles = [0, 0], slowestMs = 0;
  for (let done = 0; done < requests;) {
    const upTo = Math.min(requests, done + checkEvery);
    slowestMs = Math.max(slowestMs, await batch(caller, peer, random, done, upTo, statuses));
    done = upTo;
    assert.is(peer.pid(), pid, 'the peer is the process that it was');
    same(before, await stored(peer), `${upTo - checkEvery} to ${upTo} of seed ${seed}`);
    progress?.(done);
    if (memory[0] === 0 && done >= requests / 10) {
      memory = [memoryOf(pid), 0];
      handles = [handlesOf(pid), 0];
    }
  }
  const seconds = (performance.now() - started) / 1_000;
  await caller.close();
  // What closed a moment ago may still hold its handle.
  await sleep(3_000);
  return {
    statuses, seconds, slowestMs, memoryMB: [memory[0] ?? 0, memoryOf(pid)],
    handles: [handles[0] ?? 0, handlesOf(pid)],
  };
}

async function batch(
  caller: Caller, peer: TestPeer, random: Random, from: number, upTo: number, statuses: Map<string, number>,
): Promise<number> {
  let next = from, slowestMs = 0;
  const worker = async (): Promise<void> => {
    while (next < upTo) {
      const n = next++;
      const asked = random.below(100) < 10 ? null : drawn(random);
      const started = performance.now();
      const status = asked === null ? await garbage(peer, createRandom(random.below(2 ** 31)), caller.token)
        : await ask(caller, asked, n);
      slowestMs = Math.max(slowestMs, performance.now() - started);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return slowestMs;
}

async function ask(caller: Caller, asked: Asked, n: number): Promise<string> {
  try {
    const answer = await caller.send(asked);
    checkAnswer(asked, answer);
    return String(answer.status);
  } catch (error) {
    const { method, path, query, headers, body, user } = asked;
    const shown = new TextDecoder().decode(body?.slice(0, 300) ?? new Uint8Array());
    throw new Error(`request ${n}: ${user} ${method} ${path.slice(0, 200)}?${query.slice(0, 200)} `
      + `${JSON.stringify(headers)} body ${shown}: ${String(error)}`, { cause: error });
  }
}

function checkAnswer({ method, user, path }: Asked, { status, headers, text, cut }: Answered): void {
  // 504: a revision that is still to come. 500: an apply of what has not the form of its kind, as in
  // Kubernetes, which gives no reason then.
  const misformed = status === 500 && /failed to (create typed patch|convert new) object/.test(text);
  const fits = status >= 200 && (status < 500 || status === 504 || misformed);
  assert.ok(fits, `status ${status}: ${text.slice(0, 300)}`);
  const open = /^\/(readyz|livez|healthz|version)\b/.test(path);
  if (user === 'nobody' && !open) assert.ok(status >= 400, 'a stranger');
  if (method === 'HEAD' || cut || status < 400) return;
  const type = String(headers['content-type'] ?? '');
  assert.ok(type !== '', 'a body has a type');
  if (type.startsWith('text/') || type.includes('protobuf')) return;
  const object = (type.startsWith('application/yaml') ? parse(text) : JSON.parse(text)) as
    Record<string, unknown>;
  assert.equal([object['kind'], object['status'], object['code']], ['Status', 'Failure', status]);
  assert.ok(typeof object['message'] === 'string' && object['message'] !== '', 'it says why');
  assert.ok(text.length < 1_000_000, 'and does not say it at length');
}

// ── what is stored ───────────────────────────────────────────────────────────────────────────────────────

/** Written by peers in their own time. */
const restless = new Set(['events', 'leases']);

interface Named { readonly metadata: { readonly namespace?: string; readonly name: string } }
interface Resources { readonly resources: readonly { readonly name: string; readonly verbs: string[] }[] }
interface Groups { readonly groups: readonly { readonly preferredVersion: { groupVersion: string } }[] }

/** All objects, as a hash by name and version. */
async function stored({ api }: TestPeer): Promise<Map<string, string>> {
  const { groups } = await api.json<Groups>('GET', '/apis');
  const roots = groups.map(({ preferredVersion }) => `/apis/${preferredVersion.groupVersion}`);
  const found = new Map<string, string>();
  for (const root of ['/api/v1', ...roots.filter((each) => !each.includes('/metrics.'))]) {
    const { resources } = await api.json<Resources>('GET', root);
    for (const { name, verbs } of resources) {
      if (!verbs.includes('list') || restless.has(name)) continue;
      const { items } = await api.json<{ items: Named[] }>('GET', `${root}/${name}`);
      for (const item of items) {
        const { namespace = '', name: own } = item.metadata;
        const hash = createHash('sha256').update(JSON.stringify(item)).digest('hex');
        found.set(`${root}/${name} ${namespace}/${own}`, hash);
      }
    }
  }
  return found;
}

function same(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>, when: string): void {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  const changed = names.filter((name) => before.get(name) !== after.get(name));
  assert.equal(changed, [], `nothing that is stored changed by requests ${when}`);
}

const running = {
  apiVersion: 'v1', kind: 'Pod', metadata: { name: 'runner' },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'c', image: 'shoal.dev/host', command: ['sleep', '86400'] }],
  },
};

/** The samples, held back where they would start something, and one pod that runs. */
async function populate({ api }: TestPeer): Promise<void> {
  const at = '/api/v1/namespaces/default/pods', still = { nodeSelector: { disk: 'none' } };
  await api.json('POST', at, running);
  for (const [path, object] of samples) {
    const spec = object['spec'] as Record<string, unknown> | undefined;
    const held = path.endsWith('/pods') ? { ...object, spec: { containers: spec?.['containers'], ...still } }
      : /deployments|replicasets/.test(path) ? { ...object, spec: { ...spec, replicas: 0 } } : object;
    const answer = await until(path, async () => {
      const made = await api.send('POST', path, held);
      // Of a custom kind until its definition is established.
      return made.status === 404 ? null : made;
    }, 20_000);
    assert.ok([201, 409].includes(answer.status), `${path}: ${answer.body.slice(0, 300)}`);
    if (path === definitions) await sleep(500);
  }
  await until('the pod runs', async () =>
    (await api.json<Pod>('GET', `${at}/runner`)).status?.phase === 'Running', 30_000);
  // Controllers come to rest.
  await sleep(3_000);
}

const memoryOf = (pid: number): number =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024);

const handlesOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;
