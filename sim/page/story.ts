// What led to a violation: out of all that may have had a part in it, the little that a reader should see.
// Two lists: the chain of triggers that ends in the violation, and the notable items of its causal past.
// Which items are notable depends on what the violated oracle is about. Pure, as `model.ts` is.
// What always holds: nothing is in a story that could not have had a part, by the messages that arrived.

import { groups } from './data.ts';
import type { Verdict } from './data.ts';
import { chainOf, firstAtLeast, itemAt, itemOfEvent, noteGroup, pastOf } from './model.ts';
import type { Run } from './model.ts';

export interface Story {
  /** From the first trigger to the end. */
  readonly chain: readonly number[];
  /** The last notable items in the past of the end, oldest first. */
  readonly led: readonly number[];
}

/** What to look for: notes of these areas, kinds of items, and words in any text. */
export interface Clues {
  readonly areas: readonly string[];
  readonly kinds: readonly string[];
  readonly words: readonly string[];
}

export function storyOf(run: Run, roots: readonly number[], clues: Clues, most: number): Story {
  const end = Math.max(-1, ...roots);
  const chain = roots.map((root) => chainOf(run, root, most))
    .reduce((longest, each) => (each.length > longest.length ? each : longest), []);
  const past = pastOf(run, roots), clued = cluedTexts(run, clues), led: number[] = [];
  for (let at = end; at >= 0 && led.length < most; at -= 1) {
    if (past[at] === true && (roots.includes(at) || isNotable(run, at, clued))) led.push(at);
  }
  return { chain: [...chain].reverse(), led: led.reverse() };
}

/** Where the violation was seen: the event at hand, and the last items of those whom the message names. */
export function rootsOf(run: Run): number[] {
  const { verdict } = run.recording;
  if (verdict === null) return [];
  const seen = itemAt(run, verdict.atUs), at = itemOfEvent(run, verdict.event);
  const named = verdict.peers.flatMap((peer) => {
    const own = run.byPeer[peer] ?? [];
    return own[firstAtLeast(own, seen + 1) - 1] ?? [];
  });
  return [...new Set([...at < 0 ? [] : [at], ...named])].sort((a, b) => a - b);
}

const logAreas = ['log', 'leader', 'join', 'repair', 'state', 'wire', 'commands'];
const placementAreas = ['scheduler', 'leader', 'node', 'log'];
const workloadAreas = ['kubelet', 'controller', 'scheduler', 'node', 'leader', 'events'];
const gossipAreas = ['gossip', 'join', 'wire'];
const votes = ['pre-vote', 'pre-vote-reply', 'vote', 'vote-reply', 'timeout-now', 'disk-failed'];

/** Oracles by what they are about; of one that is not here, everything is of interest. */
export const oraclesBySubject = {
  votes: [
    'election-safety', 'one-vote-per-term', 'terms-grow', 'leader-completeness', 'promises-are-durable',
    'promises-are-kept', 'promises-outlive-restarts', 'asks-first', 'lease-is-exclusive',
  ],
  log: [
    'log-matching', 'committed-is-durable', 'commit-grows', 'state-digest', 'identity', 'applied-once',
    'linearizable', 'linearizable-history', 'acknowledged-is-committed', 'watch-is-history', 'answered',
    'configs-wait', 'membership-is-history', 'match-grows', 'gives-up-contradictions-only',
    'commits-own-term', 'one-change-at-a-time', 'compare-and-swap', 'one-writer-per-field',
    'status-keeps-spec',
  ],
  placement: [
    'no-over-commit', 'binding-is-final', 'one-writer-per-fence', 'bound-under-fence', 'feasible-is-bound',
  ],
  workloads: [
    'pod-on-one-node', 'one-live-container', 'never-restarted', 'logs-are-true', 'converges', 'silence',
    'no-orphans', 'over-is-final', 'no-foreign-deletion', 'adopts-orphans-only', 'clean-up-first',
    'ended-stays-ended', 'grace-is-kept', 'same-end-state',
  ],
  gossip: [
    'no-resurrection', 'incarnation-grows', 'beats-go-forward', 'gossip-converges',
    'bounded-suspicion', 'bounded-gossip',
  ],
} as const;

export function cluesOf({ oracle, message }: Verdict): Clues {
  const words = namesIn(message);
  const isAbout = (subject: readonly string[]): boolean => subject.includes(oracle);
  const { votes: aboutVotes, log, placement, workloads, gossip } = oraclesBySubject;
  if (isAbout(aboutVotes)) return { areas: logAreas, kinds: votes, words };
  if (isAbout(log)) return { areas: logAreas, kinds: ['disk-failed', 'snapshot-saved'], words };
  if (isAbout(placement)) return { areas: placementAreas, kinds: [], words };
  if (isAbout(workloads)) return { areas: workloadAreas, kinds: ['runtime-failed'], words };
  if (isAbout(gossip)) return { areas: gossipAreas, kinds: ['disconnected'], words };
  return { areas: [...new Set([...logAreas, ...placementAreas, ...workloadAreas])], kinds: votes, words };
}

/** The names of objects in a message: what stands last in a path, and what looks like a pod. */
export function namesIn(message: string): string[] {
  const paths = [...message.matchAll(/[\w.-]+(?:\/[\w.-]+)+/g)].map(([path]) => path.split('/').at(-1) ?? '');
  const pods = [...message.matchAll(/\b[a-z][\w-]*-[a-z0-9]{5}\b/g)].map(([name]) => name);
  return [...new Set([...paths, ...pods])].filter((name) => name.length >= 5 && !/^peer-\d+$/.test(name))
    .slice(0, namesMax);
}

const namesMax = 8;

interface Clued {
  readonly area: readonly boolean[]; readonly kind: readonly boolean[]; readonly word: readonly boolean[];
}

/** Each text of the recording is asked once. */
function cluedTexts({ recording: { strings } }: Run, { areas, kinds, words }: Clues): Clued {
  return {
    area: strings.map((text) => areas.includes(text.split('/')[0] ?? '')),
    kind: strings.map((text) => kinds.includes(text)),
    word: strings.map((text) => words.some((word) => text.includes(word))),
  };
}

/** A peer starts or ends, changes its part, or the item is a clue. */
function isNotable(run: Run, item: number, { area, kind, word }: Clued): boolean {
  const { recording: { items, states, before }, previous } = run;
  const group = items.group[item], says = items.kind[item] as number;
  if (group === lifeGroup || word[items.text[item] as number] === true) return true;
  if (group === noteGroup ? area[says] === true : kind[says] === true) return true;
  const last = previous[item] as number;
  const was = states[(last < 0 ? before[items.peer[item] as number] : items.state[last]) as number];
  const now = states[items.state[item] as number];
  return was !== undefined && now !== undefined && (was.role !== now.role || was.term !== now.term);
}

const lifeGroup = groups.indexOf('life');
