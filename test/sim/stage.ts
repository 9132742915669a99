// What the tests of the oracles play on: a checker over three disks, peers that are whatever a test says, and
// short ways to say what they write and commit.

import { newborn, resources } from '../../cluster/api/objects.ts';
import type { KubeObject, Pod } from '../../cluster/api/types.ts';
import { index, objectKey, peerId, term } from '../../cluster/ids.ts';
import type { ObjectKey, PeerId, Term } from '../../cluster/ids.ts';
import type { LogDescription } from '../../cluster/log/log.ts';
import { emptyStoredLog, storeEntry } from '../../cluster/log/stored.ts';
import type { StoredLog } from '../../cluster/log/stored.ts';
import type { Entry } from '../../cluster/log/types.ts';
import { applyEntry } from '../../cluster/state/apply.ts';
import { createState } from '../../cluster/state/state.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Op } from '../../cluster/state/types.ts';
import { encodeCommand, encodeMessage } from '../../cluster/wire.ts';
import { createChecker } from '../../sim/check/checker.ts';
import type { Checker, Observed } from '../../sim/check/checker.ts';
import type { OracleName } from '../../sim/check/oracle.ts';
export const [a, b, c] = [peerId('a'), peerId('b'), peerId('c')];
const voters = [a, b, c];

/** A checker over three disks, and peers that are whatever the test says. */
export interface Stage {
  readonly checker: Checker;
  readonly disks: ReadonlyMap<PeerId, StoredLog>;
  readonly said: OracleName[];
  /** Writes the entry to these disks. */
  store(entry: Entry, ...on: PeerId[]): void;
  /** The disk has this term and vote now. */
  vote(id: PeerId, inTerm: number, candidate: PeerId): void;
  look(id: PeerId, log: Partial<LogDescription>, state?: State): void;
  /** An entry is committed by the leader `a` in its term, on all disks. */
  commit(entry: Entry): void;
}

/** They judge how peers came to where they are; on this stage peers just are. See `promises.test.ts`. */
const ofTheWay: readonly OracleName[] = [
  'asks-first', 'promises-are-durable', 'promises-are-kept', 'configs-wait',
];

export function stage(): Stage {
  const disks = new Map(voters.map((id) => [id, emptyStoredLog()]));
  const said: OracleName[] = [];
  const views = voters.map((id) => ({ id, name: id, synced: disks.get(id) as StoredLog }));
  const checker = createChecker((oracle) => {
    if (!said.includes(oracle) && !ofTheWay.includes(oracle)) said.push(oracle);
  }, views);
  const snapshot = { index: index(0), term: term(0), members: [] };
  for (const id of voters) checker.opened(id, { hard: { term: term(0), vote: null }, snapshot, entries: [] });
  const own = createState();
  const fresh: LogDescription = {
    role: 'follower', term: term(1), leader: null, ready: false, commit: index(0), lastTerm: term(0),
    lastIndex: index(0), members: [], voters, lease: false,
  };
  /** The others would have it, and its own vote is on its disk. */
  function elect(id: PeerId, in_: Term): void {
    const message = { type: 'pre-vote-reply', term: in_, granted: true } as const;
    const disk = disks.get(id) as StoredLog;
    if (disk.hard.term < in_) disk.hard = { term: in_, vote: id };
    for (const other of voters) {
      if (other !== id) checker.sent(other, id, encodeMessage({ kind: 'log', message }));
    }
  }
  function look(id: PeerId, log: Partial<LogDescription>, state = createState()): void {
    const peer: Observed = { id, name: id, log: () => ({ ...fresh, ...log }), state: () => state };
    if (log.role === 'leader') elect(id, log.term ?? fresh.term);
    checker.after(peer);
  }
  function store(entry: Entry, ...on: PeerId[]): void {
    for (const id of on) {
      checker.wrote(id, { token: 1, entries: [entry] });
      storeEntry(disks.get(id) as StoredLog, entry);
    }
  }
  return {
    checker, disks, said, store, look,
    vote(id, inTerm, candidate) {
      (disks.get(id) as StoredLog).hard = { term: term(inTerm), vote: candidate };
    },
    commit(entry) {
      store(entry, a, b, c);
      applyEntry(own, entry);
      look(a, { role: 'leader', term: entry.term, commit: entry.index }, own);
    },
  };
}

let sequence = 0;

export function entryOf(
  at: number, ops: readonly Op[], options: { term?: number; fence?: number; origin?: PeerId } = {},
): Entry {
  const id = { origin: options.origin ?? a, incarnation: 1, sequence: (sequence += 1) };
  const fence = options.fence === undefined ? {} : { fence: term(options.fence) };
  const data = encodeCommand({ id, ops, ...fence });
  return { index: index(at), term: term(options.term ?? 1), kind: 'command', data };
}

export const noop = (at: number, inTerm: number): Entry =>
  ({ index: index(at), term: term(inTerm), kind: 'noop', data: new Uint8Array() });

export function create(key: ObjectKey, object: Omit<KubeObject, 'metadata'>, uid = String(key)): Op {
  const [, , namespace, name = ''] = key.split('/');
  const metadata = namespace === '' ? { name } : { namespace: namespace as string, name };
  return { op: 'create', key, object: newborn({ ...object, metadata }, { uid, nowWallMs: 0 }) };
}

export const nodeKey = (name: string): ObjectKey => objectKey(resources.nodes, '', name);
export const podKey = (name: string): ObjectKey => objectKey(resources.pods, 'default', name);

export const node = (name: string): Op => create(nodeKey(name), {
  apiVersion: 'v1', kind: 'Node', status: { allocatable: { cpu: '1', memory: '1Gi', pods: '10' } },
} as never);

export const namespace: Op = create(objectKey(resources.namespaces, '', 'default'),
  { apiVersion: 'v1', kind: 'Namespace' });

export function pod(name: string, nodeName: string, spec: Partial<Pod['spec']> = {}): Op {
  const containers = [{ name: 'app', image: 'app:1', resources: { requests: { cpu: '600m' } } }];
  return create(podKey(name),
    { apiVersion: 'v1', kind: 'Pod', spec: { containers, nodeName, ...spec } } as never);
}

export function podOf(name: string, nodeName: string): Pod {
  const op = pod(name, nodeName);
  if (op.op !== 'create') throw new Error('unreachable');
  return op.object as Pod;
}
