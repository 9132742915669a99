// Calls to webhooks and aggregated APIs on behalf of requests: the API says whom it wants to hear, this part
// carries the calls out through the outbound port and keeps the answers for as long as the request is served.
//
// What always holds: so many calls are under way at once and so many wait, and no more; each question of a
// request is asked once; a request waits for all of its calls together no longer than a request may last;
// only an endpoint that was not reached is left for the next one.

import type { RequestId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { remembered } from '../../cluster/api/callout/call.ts';
import type { Callout, CalloutAnswer } from '../../cluster/api/callout/call.ts';
import type { ApiContext } from '../../cluster/api/request.ts';
import type { OutboundEvent, OutboundFailure, OutboundResult } from '../../cluster/ports.ts';
import type { Core } from './core.ts';

export interface Callouts {
  /**
   * Asks, and calls back once all answers are known; `given up` where the request was evaluated too often, or
   * has waited too long. At most one question per request at a time.
   */
  ask(thinking: Thinking, calls: readonly Callout[], done: (result: 'answered' | 'given up') => void): void;
  completed(event: OutboundEvent): void;
  /** Nobody waits for this request any more. */
  close(id: RequestId): void;
}

/** What is known and was drawn for one request so far. */
export interface Thinking {
  readonly id: RequestId;
  /** The same draws from the beginning, and all answers. */
  context(): ApiContext;
  /** New draws: a command lost a race, and what is made again may be another object. */
  renew(): void;
  /** How often a command of it lost one. */
  readonly races: number;
  readonly answers: Map<string, CalloutAnswer>;
  rounds: number;
  /** When the first call was made; null: none was. */
  sinceMs: number | null;
}

interface Task {
  readonly id: string;
  readonly call: Callout;
  readonly question: Question;
  /** Addresses that are left to try, the next one first. */
  readonly left: Callout['addresses'][number][];
  readonly deadlineMs: number;
}

interface Question {
  readonly thinking: Thinking;
  readonly done: (result: 'answered' | 'given up') => void;
  open: number;
  over: boolean;
}

export function createCallouts(core: Core): Callouts {
  const underway = new Map<string, Task>(), questions = new Map<RequestId, Question>();
  let waiting: Task[] = [], last = 0;

  function ask(
    thinking: Thinking, calls: readonly Callout[], done: (result: 'answered' | 'given up') => void,
  ): void {
    thinking.rounds += 1;
    const since = thinking.sinceMs ??= core.now(), endMs = since + limits.calloutRequestMsMax;
    if (thinking.rounds > limits.calloutRoundsMax || core.now() >= endMs) return done('given up');
    const missing = new Map(calls.filter(({ key }) => !thinking.answers.has(key)).map((call) =>
      [call.key, call] as const));
    const question: Question = { thinking, done, open: missing.size, over: false };
    questions.set(thinking.id, question);
    for (const call of missing.values()) {
      const deadlineMs = Math.min(endMs, core.now() + call.request.timeoutMs);
      const task = {
        id: `${core.incarnation}-${(last += 1)}`, call, question, left: turned(call.addresses), deadlineMs,
      };
      if (underway.size < limits.calloutsInFlightMax) start(task);
      else if (waiting.length < limits.calloutsWaitingMax) waiting.push(task);
      else settle(task, failed(task, 'timeout'));
    }
    if (missing.size === 0) core.defer(() => finish(question));
  }

  /** In their order from one of them on, by chance: others get the next call. */
  function turned(addresses: Callout['addresses']): Callout['addresses'][number][] {
    const from = addresses.length < 2 ? 0 : core.random.below(addresses.length);
    return [...addresses.slice(from), ...addresses.slice(0, from)];
  }

  function start(task: Task): void {
    const [address] = task.left, leftMs = task.deadlineMs - core.now();
    if (address === undefined || leftMs <= 0) return settle(task, failed(task, 'timeout'));
    underway.set(task.id, task);
    core.ports.outbound.call(task.id, { ...task.call.request, address, timeoutMs: leftMs });
    // An adapter that does not answer must not keep a request for ever.
    core.arm(`callout/${task.id}`, leftMs + graceMs, () => {
      core.ports.outbound.cancel(task.id);
      completed({ type: 'outbound-done', id: task.id, result: failed(task, 'timeout') });
    });
  }

  function completed({ id, result }: OutboundEvent): void {
    const task = underway.get(id);
    if (task === undefined) return;
    forget(task);
    const missed = !result.ok && unreached.includes(result.failure.reason);
    if (missed && task.left.length > 1) {
      start({ ...task, id: `${core.incarnation}-${(last += 1)}`, left: task.left.slice(1) });
    } else settle(task, result);
    next();
  }

  function forget({ id }: Task): void {
    underway.delete(id);
    core.disarm(`callout/${id}`);
  }

  function next(): void {
    while (underway.size < limits.calloutsInFlightMax) {
      const task = waiting.shift();
      if (task === undefined) return;
      if (!task.question.over) start(task);
    }
  }

  function settle({ call, question }: Task, result: OutboundResult): void {
    if (question.over) return;
    question.thinking.answers.set(call.key, { uid: call.uid, result });
    question.open -= 1;
    if (question.open === 0) core.defer(() => finish(question));
  }

  function finish(question: Question): void {
    if (question.over) return;
    question.over = true;
    questions.delete(question.thinking.id);
    question.done('answered');
  }

  return {
    ask, completed,
    close(id) {
      const question = questions.get(id);
      if (question === undefined) return;
      question.over = true;
      questions.delete(id);
      waiting = waiting.filter((task) => task.question !== question);
      for (const task of underway.values()) {
        if (task.question !== question) continue;
        core.ports.outbound.cancel(task.id);
        forget(task);
      }
      next();
    },
  };
}

/** Nothing was sent to it: the next endpoint may be asked. */
const unreached: readonly OutboundFailure['reason'][] = ['refused', 'unreachable', 'unknown-host'];

/** What an adapter may take beyond a call's time to say that it is over. */
const graceMs = 1_000;

function failed({ left, call }: Task, reason: OutboundFailure['reason']): OutboundResult {
  const address = left[0] ?? call.addresses[0] ?? { host: '', port: 0 };
  return { ok: false, failure: { reason, address, detail: '' } };
}

/** `draw`: a context of fresh draws. */
export function newThinking(id: RequestId, draw: () => ApiContext): Thinking {
  const answers = new Map<string, CalloutAnswer>();
  let drawn = remembered(draw()), races = 0;
  return {
    id, answers, rounds: 0, sinceMs: null,
    get races() { return races; },
    context: () => ({ ...drawn.again(), answers: (key) => answers.get(key) ?? null }),
    renew() {
      races += 1;
      drawn = remembered(draw());
    },
  };
}
