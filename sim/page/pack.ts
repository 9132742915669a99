// Puts what was recorded into its compact form: columns, and tables of the texts and states that come often.
// What always holds: every reference into the recording is to an item that is in it, or -1.

import { unreachable } from '../../cluster/assert.ts';
import type { FaultPlan } from '../faults.ts';
import type { RunResult } from '../run.ts';
import type { Item, Sent, Told } from './book.ts';
import { groups } from './data.ts';
import type { FaultSpan, Group, Items, Messages, PeerState, Recording, Verdict } from './data.ts';
import { isSame } from './look.ts';
import type { Look } from './look.ts';
import { differences } from './model.ts';
import type { WholeRun } from './spans.ts';
import { cut, us, wordsOfEvent, wordsOfFrame } from './words.ts';
import type { Words } from './words.ts';

export interface Parts {
  readonly plan: FaultPlan;
  readonly result: RunResult;
  readonly items: readonly Item[];
  readonly sent: readonly Sent[];
  readonly before: readonly Look[];
  readonly verdict: Verdict | null;
  readonly spans: WholeRun;
  readonly faults: readonly FaultSpan[];
  /** Items before and after those that are kept. */
  readonly earlier: number;
  readonly later: number;
}

export function pack(parts: Parts): Recording {
  const { plan, result, items, sent, verdict, spans: { lives, roles, sent: counts }, faults } = parts;
  const texts = createTexts(), states = createStates(texts);
  const before = parts.before.map(states.at);
  const first = items[0]?.serial ?? 0;
  const within = (serial: number): number => (serial < first ? -1 : serial - first);
  const endUs = us(result.simulatedMs);
  const fromUs = us(parts.earlier === 0 ? 0 : items[0]?.atMs ?? 0);
  return {
    version: 1, title: `seed ${plan.seed}, ${plan.peers} peers`, verdict, facts: factsOf(result),
    leftOut: leftOut(parts), peers: result.world.machines.map(({ name }) => name), endUs,
    healUs: Math.min(endUs, us(plan.healMs)),
    window: { fromUs, untilUs: parts.later > 0 ? us(items.at(-1)?.atMs ?? 0) : endUs },
    lives, roles, faults, sent: counts, before,
    items: packItems(items, within, texts, states), messages: packMessages(sent, within, texts),
    states: states.all, strings: texts.all,
  };
}

function packItems(
  items: readonly Item[], within: (serial: number) => number, texts: Texts, states: States,
): Items {
  const words = items.map(({ told }) => wordsOf(told));
  return {
    number: items.map(({ number }) => number), atUs: differences(items.map(({ atMs }) => us(atMs))),
    peer: items.map(({ peer }) => peer), group: words.map(({ group }) => groups.indexOf(group)),
    kind: words.map(({ kind }) => texts.at(kind)), text: words.map(({ text }) => texts.at(text)),
    cause: items.map(({ cause }) => within(cause)), state: items.map(({ look }) => states.at(look)),
  };
}

function wordsOf(told: Told): Words {
  switch (told.what) {
    case 'event': return wordsOfEvent(told.event);
    case 'note': {
      const [kind = '', ...rest] = cut(told.text).split(' ');
      return { group: 'note', kind, text: rest.join(' ') };
    }
    case 'life': return { group: 'life', kind: told.kind, text: cut(told.text) };
    default: return unreachable(told);
  }
}

function packMessages(sent: readonly Sent[], within: (serial: number) => number, texts: Texts): Messages {
  const known = new Map<Uint8Array, { readonly group: Group; readonly kind: string }>();
  const words = sent.map(({ plane, frame }) => {
    const found = known.get(frame) ?? wordsOfFrame(plane, frame);
    known.set(frame, found);
    return found;
  });
  return {
    from: sent.map(({ from }) => from), to: sent.map(({ to }) => to),
    group: words.map(({ group }) => groups.indexOf(group)), kind: words.map(({ kind }) => texts.at(kind)),
    sentUs: differences(sent.map(({ atMs }) => us(atMs))),
    sentIn: sent.map(({ sentIn }) => within(sentIn)),
    arrivesIn: sent.map(({ arrivesIn }) => within(arrivesIn)),
  };
}

interface Texts { at(text: string): number; readonly all: readonly string[] }

function createTexts(): Texts {
  const all: string[] = [], known = new Map<string, number>();
  return {
    all,
    at(text) {
      let found = known.get(text);
      if (found === undefined) {
        known.set(text, found = all.length);
        all.push(text);
      }
      return found;
    },
  };
}

interface States { at(look: Look): number; readonly all: readonly PeerState[] }

/** Looks that are equal one after the other are one object already; those far apart need not be found. */
function createStates(texts: Texts): States {
  const all: PeerState[] = [], known = new Map<Look, number>();
  let last: { readonly look: Look; readonly at: number } | null = null;
  return {
    all,
    at(look) {
      let found = known.get(look) ?? (last !== null && isSame(last.look, look) ? last.at : undefined);
      if (found === undefined) {
        found = all.length;
        all.push({ ...look, members: texts.at(look.members), pods: texts.at(look.pods),
          actors: texts.at(look.actors === '' ? '' : look.actors.split('\n').map(texts.at).join(' ')) });
      }
      known.set(look, found);
      last = { look, at: found };
      return found;
    },
  };
}

function factsOf(result: RunResult): [string, string][] {
  const { plan, hash, events, messages, entries, canary, simulatedMs } = result;
  return [
    ['simulated', `${(simulatedMs / 1000).toFixed(1)} s`], ['events', String(events)],
    ['messages', String(messages)], ['log entries', String(entries)], ['faults', String(plan.faults.length)],
    ['trace', hash], ...canary === null ? [] : [['canary', canary] as [string, string]],
  ];
}

function leftOut({ items, earlier, later, spans: { rolesLeftOut } }: Parts): string[] {
  const kept = `The page holds ${items.length} events and notes`;
  return [
    ...earlier === 0 && later === 0 ? []
      : [`${kept}; ${earlier} before them and ${later} after them are left out. Leaders, processes and `
        + 'faults are shown for the whole run.'],
    ...rolesLeftOut === 0 ? [] : [`${rolesLeftOut} candidatures are left out of the lanes.`],
  ];
}
