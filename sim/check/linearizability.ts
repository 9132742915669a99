// Is there one order of all operations on a register that explains every answer? Each operation takes effect
// at one moment between its call and its return; one whose answer never came may take effect at any time
// after its call, or never.
//
// The algorithm is Wing and Gong's search with Lowe's memory of configurations ("Testing for
// linearizability", 2017), as Porcupine and Knossos have it: operations in the order of their calls and
// returns as a linked list; the first that may be next is tried, and taken back where it leads nowhere; a
// configuration (which operations took effect, and the value then) that led nowhere once is not tried again.
//
// What always holds: the answer `false` is proved; a search that becomes too long is given up and proves
// nothing.

/** Null: the register is not there. Every write has a value of its own. */
export type Value = string | null;

export type Operation =
  | { readonly op: 'read'; readonly value: Value }
  /** Makes the register; `exists`: refused, because it was there. */
  | { readonly op: 'create'; readonly value: string; readonly answer: 'ok' | 'exists' | 'unknown' }
  /** Replaces its value; `absent`: refused, because it was not there. */
  | { readonly op: 'write'; readonly value: string; readonly answer: 'ok' | 'absent' | 'unknown' }
  /** Only if it has the value `from`; `conflict`: it had another. */
  | { readonly op: 'swap'; readonly from: string; readonly value: string;
      readonly answer: 'ok' | 'conflict' | 'unknown' }
  | { readonly op: 'delete'; readonly answer: 'ok' | 'absent' | 'unknown' };

export interface Timed {
  readonly operation: Operation;
  readonly who: string;
  readonly calledMs: number;
  /** Infinity: no answer came. */
  readonly returnedMs: number;
}

export interface Verdict {
  /** Null: given up. */
  readonly linearizable: boolean | null;
  /** Where the longest attempt got stuck: the operation that no order explains. */
  readonly stuckAt: Timed | null;
}

/** Configurations tried before the search is given up. */
const stepsMax = 60_000;

interface Node { readonly id: number; readonly isCall: boolean; before: Node | null; next: Node | null }
interface List { readonly head: Node; readonly returns: readonly (Node | null)[] }
interface Taken { readonly call: Node; readonly value: Value }

export function checkLinearizable(history: readonly Timed[], initial: Value = null): Verdict {
  const { head, returns } = listOf(history);
  const done = new Set<number>(), bits = new Uint32Array(Math.ceil(history.length / 32) || 1);
  const memory = new Set<string>(), taken: Taken[] = [];
  let value = initial, at: Node | null = head.next, steps = 0, furthest = 0;
  let stuckAt: Timed | null = null;
  const open = history.filter(({ returnedMs }) => returnedMs < Infinity).length;
  let explained = 0;

  const flip = (id: number): void => { bits[id >>> 5] = (bits[id >>> 5] ?? 0) ^ (1 << (id & 31)); };
  const isAnswered = (id: number): boolean => (history[id]?.returnedMs ?? Infinity) < Infinity;
  while (explained < open) {
    if ((steps += 1) > stepsMax) return { linearizable: null, stuckAt: null };
    if (at !== null && at.isCall) {
      const { operation } = history[at.id] as Timed, next = effect(operation, value);
      if (next !== undefined && remember(at.id, next)) {
        taken.push({ call: at, value });
        value = next;
        done.add(at.id);
        if (isAnswered(at.id)) explained += 1;
        lift(at, returns[at.id] ?? null);
        at = head.next;
      } else at = at.next;
      continue;
    }
    // A return whose call has not taken effect, or the end: back to the last choice.
    if (at !== null && taken.length >= furthest) {
      furthest = taken.length;
      stuckAt = history[at.id] ?? null;
    }
    const last = taken.pop();
    if (last === undefined) return { linearizable: false, stuckAt };
    const { call } = last;
    value = last.value;
    done.delete(call.id);
    if (isAnswered(call.id)) explained -= 1;
    flip(call.id);
    unlift(call, returns[call.id] ?? null);
    at = call.next;
  }
  return { linearizable: true, stuckAt: null };

  /** False: this configuration was met before. */
  function remember(id: number, next: Value): boolean {
    flip(id);
    const key = `${bits.join()}/${next ?? ''}/${next === null}`;
    if (memory.has(key)) {
      flip(id);
      return false;
    }
    memory.add(key);
    return true;
  }
}

/** The value after it; undefined: it can't be next. */
function effect(operation: Operation, value: Value): Value | undefined {
  switch (operation.op) {
    case 'read': return operation.value === value ? value : undefined;
    case 'create':
      if (operation.answer === 'exists') return value === null ? undefined : value;
      return value === null ? operation.value : operation.answer === 'ok' ? undefined : value;
    case 'write':
      if (operation.answer === 'absent') return value === null ? value : undefined;
      return value !== null ? operation.value : operation.answer === 'ok' ? undefined : value;
    case 'swap':
      if (operation.answer === 'conflict') return value === operation.from ? undefined : value;
      return value === operation.from ? operation.value : operation.answer === 'ok' ? undefined : value;
    case 'delete':
      if (operation.answer === 'absent') return value === null ? value : undefined;
      return operation.answer === 'ok' && value === null ? undefined : null;
  }
}

/** Calls and returns in the order of time; a call at the time of a return comes before it. */
function listOf(history: readonly Timed[]): List {
  const events = history.flatMap(({ calledMs, returnedMs }, id) => [
    { id, isCall: true, ms: calledMs },
    ...returnedMs < Infinity ? [{ id, isCall: false, ms: returnedMs }] : [],
  ]).sort((a, b) => a.ms - b.ms || Number(b.isCall) - Number(a.isCall) || a.id - b.id);
  const head: Node = { id: -1, isCall: false, before: null, next: null };
  const returns: (Node | null)[] = history.map(() => null);
  let last = head;
  for (const { id, isCall } of events) {
    const node: Node = { id, isCall, before: last, next: null };
    last.next = node;
    last = node;
    if (!isCall) returns[id] = node;
  }
  return { head, returns };
}

function lift(call: Node, back: Node | null): void {
  for (const node of back === null ? [call] : [call, back]) {
    if (node.before !== null) node.before.next = node.next;
    if (node.next !== null) node.next.before = node.before;
  }
}

/** In the opposite order of `lift`. */
function unlift(call: Node, back: Node | null): void {
  for (const node of back === null ? [call] : [back, call]) {
    if (node.next !== null) node.next.before = node;
    if (node.before !== null) node.before.next = node;
  }
}
