// Linearizable reads: before a read is served from this peer's own state, the leader says up to which index
// an acknowledged write may lie (its read index), and the state is applied up to there.
//
// What always holds: the index used for a read was asked for after the read came in; reads that come while a
// question is under way share the next one; a read that gets no answer in time is told so, never left
// hanging.

import type { Index, PeerId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { Core } from './core.ts';

export type ReadResult = 'fresh' | 'stale';

interface Waiting { readonly done: (result: ReadResult) => void; readonly deadlineMs: number }

export interface Reads {
  /** `fresh` once the state may be read; `stale` if no leader confirmed it in time. */
  read(done: (result: ReadResult) => void): void;
  /** Calls back once the state has applied `index`; `stale` on time-out. */
  waitFor(index: Index, done: (result: ReadResult) => void): void;
  leaderChanged(leader: PeerId | null): void;
  /** The answer to question `id`; null: the one asked does not lead, or can't confirm that it does. */
  answered(id: number, index: Index | null): void;
  applied(index: Index): void;
  /** There has been no leader for so long that nobody is waited for. */
  alone(): boolean;
}

export interface ReadHooks {
  /** Ask `leader` (perhaps this peer) for a read index; the answer comes to `answered`. */
  ask(leader: PeerId, id: number): void;
}

export function createReads(core: Core, hooks: ReadHooks): Reads {
  let leader: PeerId | null = null;
  /** Since when there is no leader. */
  let leaderlessMs = core.now();
  let waiting: Waiting[] = [];
  let asked: { readonly id: number; readonly waiting: readonly Waiting[] } | null = null;
  let behind: { readonly index: Index; readonly waiting: readonly Waiting[] }[] = [];
  let lastId = 0;
  let expiring = false;

  const alone = (): boolean => leader === null && core.now() >= leaderlessMs + limits.noLeaderPatienceMs;

  function read(done: (result: ReadResult) => void): void {
    const now = core.now(), patienceEndsMs = leaderlessMs + limits.noLeaderPatienceMs;
    if (alone()) {
      core.defer(() => done('stale'));
      return;
    }
    waiting.push({ done, deadlineMs: leader === null ? patienceEndsMs : now + limits.readTimeoutMs });
    armTimer();
    if (asked === null && leader !== null && waiting.length === 1) core.arm('reads/ask', 0, ask);
  }

  /** One question for all that wait; those that come later wait for the next. */
  function ask(): void {
    if (asked !== null || leader === null || waiting.length === 0) return;
    lastId += 1;
    asked = { id: lastId, waiting };
    waiting = [];
    core.arm('reads/repeat', repeatMs, again);
    hooks.ask(leader, lastId);
  }

  /** The question or its answer was lost, or the one asked no longer leads. */
  function again(): void {
    if (asked !== null) {
      waiting = [...asked.waiting, ...waiting];
      asked = null;
    }
    ask();
  }

  function answered(id: number, index: Index | null): void {
    if (asked === null || asked.id !== id) return;
    if (index === null) {
      core.arm('reads/repeat', retryMs, again);
      return;
    }
    core.disarm('reads/repeat');
    const { waiting: satisfied } = asked;
    asked = null;
    if (core.state.revision >= index) for (const each of satisfied) core.defer(() => each.done('fresh'));
    else behind.push({ index, waiting: satisfied });
    ask();
  }

  function applied(index: Index): void {
    if (behind.length === 0) return;
    const ready = behind.filter((each) => each.index <= index);
    behind = behind.filter((each) => each.index > index);
    for (const each of ready) for (const one of each.waiting) core.defer(() => one.done('fresh'));
  }

  function armTimer(): void {
    if (!expiring) core.arm('reads/expire', expireMs, expire);
    expiring = true;
  }

  function expire(): void {
    expiring = false;
    const now = core.now();
    const late = (each: Waiting): boolean => {
      if (now < each.deadlineMs) return false;
      core.defer(() => each.done('stale'));
      return true;
    };
    const left = (list: readonly Waiting[]): Waiting[] => list.filter((each) => !late(each));
    waiting = left(waiting);
    if (asked !== null) asked = { id: asked.id, waiting: left(asked.waiting) };
    behind = behind.map((each) => ({ index: each.index, waiting: left(each.waiting) }))
      .filter((each) => each.waiting.length > 0);
    if (waiting.length > 0 || (asked?.waiting.length ?? 0) > 0 || behind.length > 0) armTimer();
  }

  return {
    read, answered, applied, alone,
    waitFor(index, done) {
      if (core.state.revision >= index) {
        core.defer(() => done('fresh'));
        return;
      }
      behind.push({ index, waiting: [{ done, deadlineMs: core.now() + limits.readTimeoutMs }] });
      armTimer();
    },
    leaderChanged(next) {
      if (next === null && leader !== null) leaderlessMs = core.now();
      leader = next;
      if (next !== null) again();
    },
  };
}

/** A question is asked again when nothing was heard for this long; answers take a round trip. */
const repeatMs = 500;
/** Somebody who should lead says that it does not, or not yet. */
const retryMs = 50;
/** How often deadlines are looked at. */
const expireMs = 250;
