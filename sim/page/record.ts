// Records a run: the last events before a violation, or before a chosen time, with the messages between them
// and the states after them; and of the whole run who led when, who was down, and which faults were in force.
// What always holds: a recorded run is the run itself, with the same hash; at most `itemsMax` items are kept
// at the end and twice as many on the way.

import type { PeerEvent } from '../../cluster/ports.ts';
import { oracles } from '../check/oracle.ts';
import type { FaultPlan } from '../faults.ts';
import { noteText } from '../ports/trace.ts';
import type { Note } from '../ports/trace.ts';
import { runPlan } from '../run.ts';
import type { RunResult } from '../run.ts';
import type { Witness } from '../witness.ts';
import type { EventLine, WorldOptions } from '../world.ts';
import type { Recording, Verdict } from './data.ts';
import { createBook } from './book.ts';
import type { Lane } from './book.ts';
import { noProcess } from './look.ts';
import { pack } from './pack.ts';
import { namedPeers, spanOfFault, us, withNames } from './words.ts';

export interface RecordOptions {
  readonly run: WorldOptions;
  /** Items to keep: the last ones … */
  readonly items: number;
  /** … of those up to this time; null: up to the violation, or to the end of all faults. */
  readonly untilMs: number | null;
}

export interface Recorded { readonly recording: Recording; readonly result: RunResult }

export const itemsMax = 60_000;
/** Between two looks at a machine's containers while its peer hears nothing of them. */
const podsEveryMs = 500;

/** Runs the plan, and once more where there is no violation to end the recording. */
export function record(plan: FaultPlan, options: RecordOptions): Recorded {
  const first = recordOnce(plan, options, options.untilMs ?? Infinity);
  if (first.result.violation !== null || options.untilMs !== null) return first;
  return recordOnce(plan, options, plan.healMs);
}

function recordOnce(plan: FaultPlan, { run, items }: RecordOptions, untilMs: number): Recorded {
  const recorder = createRecorder(plan, Math.min(items, itemsMax), untilMs);
  const result = runPlan(plan, {
    ...run, witness: recorder.witness, onEvent: recorder.event, onNote: recorder.note,
  });
  return { recording: recorder.finish(result), result };
}

interface Recorder {
  readonly witness: Witness;
  event(line: EventLine): void;
  note(note: Note): void;
  finish(result: RunResult): Recording;
}

/** What a world tells, written into a book. */
function createRecorder(plan: FaultPlan, keep: number, untilMs: number): Recorder {
  const book = createBook(plan, keep, untilMs);
  const { messages, spans, numberOf, nowMs, lane: laneOf } = book;

  const witness: Witness = {
    began: book.begin,
    sent(from, to, plane, frame) {
      const at = numberOf.get(from), there = numberOf.get(to);
      if (at === undefined || there === undefined) return;
      spans.sent(at, nowMs());
      if (book.isOver()) return;
      messages.sent({ from: at, to: there, atMs: nowMs(), plane, frame, sentIn: laneOf(at).last,
        arrivesIn: -1, kept: true });
    },
    wrote(peer, token) {
      const at = numberOf.get(peer);
      if (at !== undefined) laneOf(at).writes.set(token, laneOf(at).last);
    },
    actor(peer, id, state) {
      const at = numberOf.get(peer);
      if (at !== undefined) laneOf(at).actors.state(id, state);
    },
    started(machine) {
      const at = machine - 1;
      book.settle();
      laneOf(at).actors.clear();
      book.meet(at);
      book.lookAtPods(at);
      spans.started(at, nowMs());
      book.attend(at);
      book.add(at, { what: 'life', kind: 'started', text: `process ${book.runsOf(at)}` }, 0, -1);
    },
    ended(machine, reason) {
      const at = machine - 1, lane = laneOf(at);
      book.settle();
      book.lookAtPods(at);
      lane.writes.clear();
      lane.actors.clear();
      lane.look = { ...noProcess, pods: lane.pods };
      spans.ended(at, nowMs(), reason ?? 'killed');
      const kind = reason === null ? 'killed' : 'stopped';
      book.add(at, { what: 'life', kind, text: reason ?? '' }, 0, -1);
    },
  };
  let number = 0;
  return {
    witness,
    event({ number: n, peer, event }) {
      const at = numberOf.get(peer) as number, lane = laneOf(at);
      book.settle();
      number = n;
      if (isOfContainers(event) || nowMs() - lane.podsAtMs >= podsEveryMs) book.lookAtPods(at);
      book.attend(at);
      const cause = event.type === 'persisted' ? written(lane, event.token)
        : 'frame' in event ? messages.arrived(at, event.frame, book.isOver() ? -1 : book.next()) : -1;
      book.add(at, { what: 'event', event }, n, cause);
    },
    note(note) {
      const at = numberOf.get(note.peer);
      if (at === undefined) return;
      laneOf(at).actors.take(note);
      book.add(at, { what: 'note', text: noteText(note) }, number, -1);
    },
    finish: (result) => pack({
      ...book.finish(result.simulatedMs), plan, result, verdict: verdictOf(result, numberOf),
      faults: plan.faults.map((fault) => spanOfFault(fault, result.simulatedMs))
        .filter((span) => span !== null),
    }),
  };
}

const isOfContainers = ({ type }: PeerEvent): boolean => /^(runtime|container|sandbox)-/.test(type);

function written({ writes }: Lane, token: number): number {
  const cause = writes.get(token) ?? -1;
  for (const each of [...writes.keys()]) if (each <= token) writes.delete(each);
  return cause;
}

function verdictOf({ violation, world }: RunResult, numberOf: ReadonlyMap<string, number>): Verdict | null {
  if (violation === null) return null;
  const { oracle, message, atMs, event } = violation;
  return {
    oracle, claim: oracles[oracle], atUs: us(atMs), event,
    message: withNames(message),
    peers: namedPeers(message, world.machines.length)
      .flatMap((n) => numberOf.get(`peer-${n}`) ?? []),
  };
}
