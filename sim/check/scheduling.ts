// Oracles of placement, judged from the committed history with arithmetic of their own: no node holds more
// than it has, a binding is final, and what carries a fence comes from the leader of that term.

import { cpuMilli, memoryBytes } from '../../cluster/api/quantity.ts';
import { resources } from '../../cluster/api/objects.ts';
import type { Container, Node, Pod, ResourceList } from '../../cluster/api/types.ts';
import { objectKey, splitKey } from '../../cluster/ids.ts';
import type { PeerId } from '../../cluster/ids.ts';
import type { Entry } from '../../cluster/log/types.ts';
import { get, podsOnNode } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Applied, Change, Command } from '../../cluster/state/types.ts';
import type { Report } from './oracle.ts';

export interface SchedulingOracle {
  /** One committed command and what it did to `state`. */
  applied(state: State, entry: Entry, command: Command, applied: Applied): void;
}

export function createSchedulingOracle(
  report: Report, leaderOf: (term: number) => PeerId | null,
): SchedulingOracle {
  return {
    applied(state, entry, command, applied) {
      checkFence(report, leaderOf, entry, command, applied);
      checkSwaps(report, command, applied);
      for (const change of applied.changes) {
        if (splitKey(change.key).resource !== resources.pods) continue;
        checkPod(report, state, change);
        checkBinding(report, command, change);
      }
    },
  };
}

function checkFence(
  report: Report, leaderOf: (term: number) => PeerId | null, entry: Entry, { fence, id }: Command,
  { outcome, duplicate }: Applied,
): void {
  if (fence === undefined) return;
  const leader = leaderOf(fence);
  if (leader !== id.origin) {
    report('one-writer-per-fence', `entry ${entry.index} with fence ${fence} comes from ${id.origin}, `
      + `but ${leader ?? 'nobody'} led in that term`);
  }
  if (outcome.ok && !duplicate && fence !== entry.term) {
    report('one-writer-per-fence',
      `entry ${entry.index} of term ${entry.term} counts, but its fence is ${fence}`);
  }
}

/** What a command expects of an object is so when it takes effect. */
function checkSwaps(report: Report, { ops }: Command, { outcome, changes, index }: Applied): void {
  if (!outcome.ok || changes.length === 0) return;
  for (const op of ops) {
    const expected = op.op === 'create' ? undefined : op.expect;
    // Of two operations on one object the second sees what the first did.
    const [change, second] = changes.filter(({ key }) => key === op.key);
    if (expected === undefined || change === undefined || second !== undefined) continue;
    if (ops.filter(({ key }) => key === op.key).length > 1) continue;
    const { resourceVersion, uid } = change.previous?.metadata ?? {};
    const { revision = resourceVersion, uid: wanted = uid } = expected;
    if (String(revision) === String(resourceVersion) && wanted === uid) continue;
    report('compare-and-swap', `entry ${index} was to change ${op.key} at ${revision} (${wanted}), and `
      + `changes it at ${resourceVersion ?? 'no revision'} (${uid ?? 'no object'})`);
  }
}

/** Only the leader's scheduler places pods here. */
function checkBinding(report: Report, { fence }: Command, { key, object, previous, revision }: Change): void {
  const before = previous as Pod | null;
  const binds = before !== null && (before.spec.nodeName ?? '') === ''
    && ((object as Pod).spec.nodeName ?? '') !== '';
  if (binds && fence === undefined) {
    report('bound-under-fence', `${key} is placed at ${revision} by a command without a fence`);
  }
}

function checkPod(report: Report, state: State, { type, key, object, previous }: Change): void {
  const before = previous as Pod | null, now = object as Pod;
  const node = now.spec.nodeName ?? '', was = before?.spec.nodeName ?? '';
  const { revision } = state;
  if (before !== null && was !== '' && node !== was) {
    report('binding-is-final',
      `${key} moves from ${was} to ${node === '' ? 'no node' : node} at ${revision}`);
  }
  if (type === 'DELETED' || node === '') return;
  const returned = before !== null && isOver(before) && !isOver(now);
  if (returned) {
    report('over-is-final',
      `${key} was ${before.status?.phase} and is ${now.status?.phase ?? 'nothing'} at ${revision}`);
  }
  if (was === '' || returned) checkNode(report, state, node, key);
}

function checkNode(report: Report, state: State, name: string, because: string): void {
  const node = get<Node>(state, objectKey(resources.nodes, '', name));
  if (node === null) return;
  const has = node.status?.allocatable ?? node.status?.capacity ?? {};
  let cpu = 0, memory = 0, pods = 0;
  for (const pod of podsOnNode(state, name)) {
    if (isOver(pod)) continue;
    const asked = askedBy(pod);
    cpu += asked.cpu;
    memory += asked.memory;
    pods += 1;
  }
  const over = (what: string, asked: number, there: number): void => {
    if (asked > there) {
      report('no-over-commit', `${name} has ${there} ${what}, its pods ask for ${asked} since ${because} `
        + `at ${state.revision}`);
    }
  };
  over('millicores', cpu, cpuMilli(has));
  over('bytes of memory', memory, memoryBytes(has));
  over('places for pods', pods, Number(has['pods'] ?? 0));
}

const isOver = ({ status }: Pod): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed';

/** Init containers run before the others, one by one. */
export function askedBy({ spec }: Pod): { readonly cpu: number; readonly memory: number } {
  let cpu = 0, memory = 0;
  for (const container of spec.containers) {
    const list = requestsOf(container);
    cpu += cpuMilli(list);
    memory += memoryBytes(list);
  }
  for (const container of spec.initContainers ?? []) {
    const list = requestsOf(container);
    cpu = Math.max(cpu, cpuMilli(list));
    memory = Math.max(memory, memoryBytes(list));
  }
  return { cpu, memory };
}

function requestsOf({ resources: asked }: Container): ResourceList {
  return { ...asked?.limits, ...asked?.requests };
}
