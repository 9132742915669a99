// What the page computes from a recording: positions, causes, what is in view and how it is drawn. Pure, and
// free of everything that only Node or only a browser has: the tests run it there, the page runs it here.
// What always holds: no function changes a recording; lists of items and messages are indexes, ascending.

import { groups } from './data.ts';
import type { FaultSpan, PeerState, Recording } from './data.ts';

/** A recording made ready for looking things up. */
export interface Run {
  readonly recording: Recording;
  /** The right edge of the widest view: a little room after the end. */
  readonly limitUs: number;
  /** Absolute, per item and per message. */
  readonly itemUs: readonly number[];
  readonly sentUs: readonly number[];
  /** When a message arrives, or -1. */
  readonly arrivesUs: readonly number[];
  /** The longest that a message was under way. */
  readonly delayUsMax: number;
  /** Each peer's items. */
  readonly byPeer: readonly (readonly number[])[];
  /** The item before it on the same peer, or -1. */
  readonly previous: readonly number[];
  /** The message that arrives in an item, or -1. */
  readonly arrival: readonly number[];
}

export function openRun(recording: Recording): Run {
  const { items, messages, peers } = recording;
  const itemUs = sums(items.atUs), sentUs = sums(messages.sentUs);
  const byPeer: number[][] = peers.map(() => []), previous: number[] = [];
  items.peer.forEach((peer, item) => {
    const own = byPeer[peer] as number[];
    previous.push(own.at(-1) ?? -1);
    own.push(item);
  });
  const arrival = items.peer.map(() => -1);
  let delayUsMax = 0;
  const arrivesUs = messages.arrivesIn.map((item, message) => {
    if (item < 0) return -1;
    arrival[item] = message;
    const us = itemUs[item] as number;
    delayUsMax = Math.max(delayUsMax, us - (sentUs[message] as number));
    return us;
  });
  const limitUs = recording.endUs + Math.ceil(recording.endUs / 50);
  return { recording, limitUs, itemUs, sentUs, arrivesUs, delayUsMax, byPeer, previous, arrival };
}

export function differences(list: readonly number[]): number[] {
  return list.map((value, at) => value - (at === 0 ? 0 : list[at - 1] as number));
}

export function sums(list: readonly number[]): number[] {
  let sum = 0;
  return list.map((value) => (sum += value));
}

/** The first position whose value is at least `value`; the list ascends. */
export function firstAtLeast(list: readonly number[], value: number): number {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The last item at or before this time, or -1. */
export const itemAt = ({ itemUs }: Run, us: number): number => firstAtLeast(itemUs, us + 1) - 1;

/** The item of a delivered event, or -1. */
export function itemOfEvent({ recording: { items } }: Run, number: number): number {
  return items.number.indexOf(number);
}

// ── state and causes ─────────────────────────────────────────────────────────────────────────────────────

/** What a peer is once all items up to this one have happened; null for no recorded state at all. */
export function stateAfter({ recording, byPeer }: Run, peer: number, item: number): PeerState | null {
  const own = byPeer[peer] ?? [];
  const last = own[firstAtLeast(own, item + 1) - 1];
  const state = last === undefined ? recording.before[peer] : recording.items.state[last];
  return state === undefined ? null : recording.states[state] ?? null;
}

/** A line per actor of a peer in this state. */
export function actorLines({ recording: { strings } }: Run, { actors }: PeerState): string[] {
  return (strings[actors] ?? '').split(' ').filter((number) => number !== '')
    .map((number) => strings[Number(number)] ?? '');
}

/** From an item back over what triggered each: a message that came, a write that is done. Newest first. */
export function chainOf({ recording: { items }, previous }: Run, item: number, most: number): number[] {
  const chain: number[] = [];
  for (let at = item; at >= 0 && chain.length < most;) {
    chain.push(at);
    // A note is made in the event before it.
    at = (items.group[at] === noteGroup ? previous[at] : items.cause[at]) ?? -1;
  }
  return chain;
}

/** Its place among the groups. */
export const noteGroup = groups.indexOf('note');

/** All that may have had a part in these items: what their peers did before, and what others told them. */
export function pastOf({ recording: { items }, previous }: Run, roots: readonly number[]): boolean[] {
  const past = items.peer.map(() => false);
  for (const root of roots) if (root >= 0) past[root] = true;
  // An item stands after its causes: one way back finds them all.
  for (let at = past.length - 1; at >= 0; at -= 1) {
    if (past[at] !== true) continue;
    const before = previous[at] ?? -1, cause = items.cause[at] ?? -1;
    if (before >= 0) past[before] = true;
    if (cause >= 0) past[cause] = true;
  }
  return past;
}

// ── what is in view ──────────────────────────────────────────────────────────────────────────────────────

/** A stretch of time. */
export interface View { readonly fromUs: number; readonly untilUs: number }

/** The shortest stretch: a tenth of a millisecond. */
export const viewUsMin = 100;

/** Keeps the stretch between 0 and `limitUs`. */
export function clampView({ fromUs, untilUs }: View, limitUs: number): View {
  const length = Math.min(Math.max(untilUs - fromUs, viewUsMin), Math.max(limitUs, viewUsMin));
  const from = Math.round(Math.min(Math.max(fromUs, 0), Math.max(limitUs, viewUsMin) - length));
  return { fromUs: from, untilUs: Math.round(from + length) };
}

/** `factor` below 1 zooms in; what is at `atUs` stays where it is. */
export function zoomView({ fromUs, untilUs }: View, factor: number, atUs: number, limitUs: number): View {
  const length = Math.min(Math.max((untilUs - fromUs) * factor, viewUsMin), Math.max(limitUs, viewUsMin));
  const share = (atUs - fromUs) / Math.max(1, untilUs - fromUs);
  const from = atUs - length * share;
  return clampView({ fromUs: from, untilUs: from + length }, limitUs);
}

export const xOf = ({ fromUs, untilUs }: View, width: number, us: number): number =>
  ((us - fromUs) / Math.max(1, untilUs - fromUs)) * width;
export const usAt = ({ fromUs, untilUs }: View, width: number, x: number): number =>
  Math.round(fromUs + (x / Math.max(1, width)) * (untilUs - fromUs));

export interface Tick { readonly us: number; readonly label: string }

/** Round times, about one in `apart` pixels, with as many digits as tell them apart. */
export function ticks(view: View, width: number, apart: number): Tick[] {
  const wanted = (view.untilUs - view.fromUs) * apart / Math.max(1, width);
  const power = 10 ** Math.floor(Math.log10(Math.max(1, wanted)));
  const step = [1, 2, 5, 10].map((n) => n * power).find((each) => each >= wanted) ?? power * 10;
  const digits = Math.min(6, Math.max(0, 6 - Math.floor(Math.log10(step) + 1e-9)));
  const found: Tick[] = [];
  for (let us = Math.ceil(view.fromUs / step) * step; us <= view.untilUs; us += step) {
    found.push({ us, label: `${(us / 1e6).toFixed(digits)} s` });
  }
  return found;
}

/** Seconds with microseconds. */
export const timeText = (us: number): string => `${(us / 1e6).toFixed(6)} s`;

/** What the reader wants to see. */
export interface Filter {
  readonly peers: ReadonlySet<number>;
  readonly groups: ReadonlySet<number>;
  /** In kind or text, any case. */
  readonly words: string;
}

export function filterItems({ recording }: Run, { peers, groups: some, words }: Filter): number[] {
  const { items, strings } = recording;
  const wanted = words.trim().toLowerCase();
  const hits = strings.map((text) => text.toLowerCase().includes(wanted));
  const found: number[] = [];
  for (let item = 0; item < items.peer.length; item += 1) {
    if (!peers.has(items.peer[item] as number) || !some.has(items.group[item] as number)) continue;
    const isHit = hits[items.kind[item] as number] === true || hits[items.text[item] as number] === true;
    if (isHit) found.push(item);
  }
  return found;
}

/** Messages between two peers in one step of time, either way. */
export interface Bundle {
  readonly a: number; readonly b: number; readonly fromUs: number; readonly untilUs: number;
  readonly count: number; readonly lost: number;
}

export type Traffic =
  | { readonly kind: 'each'; readonly messages: readonly number[] }
  | { readonly kind: 'bundled'; readonly bundles: readonly Bundle[]; readonly count: number };

export interface TrafficBounds {
  readonly eachMax: number; readonly steps: number; readonly bundlesMax: number;
}

/** Each message while at most `eachMax` are in view; else bundles of `steps` steps, `bundlesMax` at most. */
export function trafficIn(
  run: Run, view: View, filter: Pick<Filter, 'peers' | 'groups'>,
  { eachMax, steps, bundlesMax }: TrafficBounds,
): Traffic {
  const messages = messagesIn(run, view, filter);
  if (messages.length <= eachMax) return { kind: 'each', messages };
  const { messages: { from, to, arrivesIn }, peers: { length } } = run.recording;
  const stepUs = Math.max(1, (view.untilUs - view.fromUs) / steps);
  const counts = new Map<number, { count: number; lost: number }>();
  for (const message of messages) {
    const one = from[message] as number, other = to[message] as number;
    const a = Math.min(one, other), b = Math.max(one, other);
    const step = Math.max(0, Math.floor(((run.sentUs[message] as number) - view.fromUs) / stepUs));
    const key = (step * length + a) * length + b, found = counts.get(key);
    const lost = (arrivesIn[message] as number) < 0 ? 1 : 0;
    if (found === undefined) counts.set(key, { count: 1, lost });
    else Object.assign(found, { count: found.count + 1, lost: found.lost + lost });
  }
  const bundles = [...counts].map(([key, { count, lost }]): Bundle => {
    const b = key % length, a = Math.floor(key / length) % length, step = Math.floor(key / length / length);
    const fromUs = view.fromUs + step * stepUs;
    return { a, b, fromUs, untilUs: fromUs + stepUs, count, lost };
  });
  bundles.sort((one, other) => other.count - one.count);
  return { kind: 'bundled', bundles: bundles.slice(0, bundlesMax), count: messages.length };
}

function messagesIn(
  run: Run, view: View, { peers, groups: some }: Pick<Filter, 'peers' | 'groups'>,
): number[] {
  const { recording: { messages }, sentUs, arrivesUs, delayUsMax } = run;
  const found: number[] = [];
  for (let at = firstAtLeast(sentUs, view.fromUs - delayUsMax); at < sentUs.length; at += 1) {
    const sent = sentUs[at] as number;
    if (sent > view.untilUs) break;
    if (Math.max(sent, arrivesUs[at] as number) < view.fromUs) continue;
    if (!some.has(messages.group[at] as number)) continue;
    if (peers.has(messages.from[at] as number) || peers.has(messages.to[at] as number)) found.push(at);
  }
  return found;
}

/** The items to mark in view, none where there are more than `most`. */
export function itemsIn({ itemUs }: Run, view: View, wanted: readonly number[], most: number): number[] {
  const times = (at: number): number => itemUs[wanted[at] as number] as number;
  let from = 0, high = wanted.length;
  while (from < high) {
    const middle = (from + high) >>> 1;
    if (times(middle) < view.fromUs) from = middle + 1;
    else high = middle;
  }
  const found: number[] = [];
  for (let at = from; at < wanted.length && times(at) <= view.untilUs; at += 1) {
    if (found.length >= most) return [];
    found.push(wanted[at] as number);
  }
  return found;
}

/** Faults in rows, so that none lies over another; in the order given. */
export function rowsOf(faults: readonly FaultSpan[], rowsMax: number): readonly (readonly FaultSpan[])[] {
  const rows: FaultSpan[][] = [];
  for (const fault of faults) {
    const free = rows.find((row) => (row.at(-1) as FaultSpan).untilUs <= fault.fromUs);
    if (free !== undefined) free.push(fault);
    else if (rows.length < rowsMax) rows.push([fault]);
    else rows.at(-1)?.push(fault);
  }
  return rows;
}

/** Angles of colour, far apart for terms that follow each other; none is the red of a violation. */
export const hueOf = (term: number): number => Math.round(75 + ((term * 0.618034) % 1) * 245);
