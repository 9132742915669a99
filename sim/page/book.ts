// The book that a recording is written into while the run goes on: the last items, the messages between them,
// and how each peer looked after each.
// What always holds: at most twice as many items as are wanted are in it; nothing in it changes the run.

import type { PeerEvent } from '../../cluster/ports.ts';
import type { Peer } from '../../actors/peer.ts';
import type { FaultPlan } from '../faults.ts';
import type { World } from '../world.ts';
import { createActorNotes, isSame, lookAt, noProcess, podsOf } from './look.ts';
import type { ActorNotes, Look } from './look.ts';
import type { Parts } from './pack.ts';
import { createSpans } from './spans.ts';
import type { Spans } from './spans.ts';

/** What an item says, still in the run's own terms. */
export type Told =
  | { readonly what: 'event'; readonly event: PeerEvent }
  | { readonly what: 'note'; readonly text: string }
  | { readonly what: 'life'; readonly kind: 'started' | 'killed' | 'stopped'; readonly text: string };

export interface Item {
  /** Position in the whole run, from 0. */
  readonly serial: number;
  readonly number: number;
  readonly atMs: number;
  readonly peer: number;
  readonly told: Told;
  /** A serial, or -1. */
  readonly cause: number;
  look: Look;
}

export interface Sent {
  readonly from: number; readonly to: number; readonly atMs: number;
  readonly plane: 'message' | 'feed' | 'join-message'; readonly frame: Uint8Array;
  /** Serials, or -1. */
  readonly sentIn: number; arrivesIn: number;
  /** It is in the list of messages. */
  kept: boolean;
}

/** What is known of one machine while the run goes on. */
export interface Lane {
  readonly actors: ActorNotes;
  look: Look;
  /** The look before the first item that is kept. */
  before: Look;
  pods: string; podsAtMs: number;
  /** Serial of the last item that is no note. */
  last: number;
  /** Token of a write → the item in which it was made. */
  readonly writes: Map<number, number>;
}

export interface Book {
  readonly messages: SentMessages;
  readonly spans: Spans;
  /** By identity and by name, from 0. */
  readonly numberOf: ReadonlyMap<string, number>;
  begin(world: World): void;
  /** Who lives on this machine: another one may have taken its place. */
  meet(peer: number): void;
  nowMs(): number;
  /** The time of the recording has passed: items and messages are only counted. */
  isOver(): boolean;
  lane(peer: number): Lane;
  /** Processes on its machine so far. */
  runsOf(peer: number): number;
  /** The serial of the item that is added next. */
  next(): number;
  add(peer: number, told: Told, number: number, cause: number): void;
  /** From here on the peer handles something: its look is taken once that is over. */
  attend(peer: number): void;
  /** What was attended to is over. */
  settle(): void;
  lookAtPods(peer: number): void;
  finish(endMs: number): Pick<Parts, 'items' | 'sent' | 'before' | 'spans' | 'earlier' | 'later'>;
}

export function createBook(plan: FaultPlan, keep: number, untilMs: number): Book {
  const lanes: readonly Lane[] = Array.from({ length: plan.peers }, () => ({
    actors: createActorNotes(), look: noProcess, before: noProcess, pods: '', podsAtMs: -Infinity, last: -1,
    writes: new Map<number, number>(),
  }));
  const numberOf = new Map<string, number>(), spans = createSpans(plan);
  const messages = createMessages(), items = createItems(keep);
  let world: World | null = null, later = 0;
  let open: { readonly at: number; readonly peer: Peer; readonly atMs: number; readonly from: number }
    | null = null;

  const nowMs = (): number => world?.heap.nowMs() ?? 0;
  const laneOf = (at: number): Lane => lanes[at] as Lane;
  function trim(): void {
    for (const { peer, look } of items.trim()) laneOf(peer).before = look;
    messages.trim(items.list()[0]);
  }
  function settle(): void {
    if (open === null) return;
    const { at, peer, atMs, from } = open, lane = laneOf(at);
    open = null;
    const look = lookAt(peer, numberOf, lane.pods, lane.actors.text());
    if (!isSame(look, lane.look)) {
      lane.look = look;
      spans.role(at, look.role, look.term, atMs);
    }
    items.look(at, from, lane.look);
  }
  return {
    messages, spans, numberOf, nowMs, lane: laneOf, settle, next: items.next,
    begin(made) {
      world = made;
      made.machines.forEach(({ id, name }, at) => numberOf.set(id, at).set(name, at));
    },
    meet(at) {
      const machine = world?.machines[at];
      if (machine !== undefined) numberOf.set(machine.id, at).set(machine.name, at);
    },
    isOver: () => nowMs() > untilMs,
    runsOf: (at) => world?.machines[at]?.runs ?? 0,
    add(peer, told, number, cause) {
      if (nowMs() > untilMs) {
        later += 1;
        return;
      }
      const lane = laneOf(peer);
      if (told.what !== 'note') lane.last = items.next();
      items.add({ number, atMs: nowMs(), peer, told, cause, look: lane.look });
      if (items.isFull()) trim();
    },
    attend(at) {
      const life = world?.machines[at]?.life ?? null;
      if (life !== null) open = { at, peer: life.peer, atMs: nowMs(), from: items.next() };
    },
    lookAtPods(at) {
      const lane = laneOf(at), host = world?.machines[at]?.host;
      lane.podsAtMs = nowMs();
      lane.pods = host === undefined ? '' : podsOf(host);
    },
    finish(endMs) {
      settle();
      trim();
      const list = items.list();
      return {
        items: list, sent: messages.list(list[0]), before: lanes.map(({ before }) => before),
        spans: spans.finish(endMs), earlier: items.next() - list.length, later,
      };
    },
  };
}

interface ItemList {
  /** The serial of the item that is added next. */
  next(): number;
  add(item: Omit<Item, 'serial'>): void;
  /** This is how the peer looked after its items from this serial on. */
  look(peer: number, from: number, look: Look): void;
  isFull(): boolean;
  /** Keeps the last ones only; the answer is what goes. */
  trim(): readonly Item[];
  list(): readonly Item[];
}

function createItems(keep: number): ItemList {
  const items: Item[] = [];
  let serial = 0;
  return {
    next: () => serial,
    add(item) {
      items.push({ ...item, serial });
      serial += 1;
    },
    look(peer, from, look) {
      for (let n = items.length - 1; n >= 0; n -= 1) {
        const item = items[n] as Item;
        if (item.serial < from) return;
        if (item.peer === peer) item.look = look;
      }
    },
    isFull: () => items.length >= 2 * keep,
    trim: () => items.splice(0, Math.max(0, items.length - keep)),
    list: () => items,
  };
}

export interface SentMessages {
  sent(message: Sent): void;
  /** A frame arrives; the answer is the item in which it was sent, or -1. */
  arrived(to: number, frame: Uint8Array, arrivesIn: number): number;
  /** Forgets what neither was sent nor arrives from this item on. */
  trim(first: Item | undefined): void;
  list(first: Item | undefined): readonly Sent[];
}

/** A frame is known again by being the same object. */
function createMessages(): SentMessages {
  let kept: Sent[] = [];
  const byFrame = new WeakMap<Uint8Array, Sent[]>();

  const isIn = ({ atMs, arrivesIn }: Sent, first: Item): boolean =>
    (arrivesIn < 0 ? atMs >= first.atMs : arrivesIn >= first.serial);

  return {
    sent(message) {
      kept.push(message);
      const same = byFrame.get(message.frame);
      if (same === undefined) byFrame.set(message.frame, [message]);
      else same.push(message);
    },
    arrived(to, frame, arrivesIn) {
      const all = (byFrame.get(frame) ?? []).filter((each) => each.to === to);
      const due = all.find((each) => each.arrivesIn < 0), again = all.at(-1);
      const message = due ?? (again === undefined ? undefined : { ...again, kept: false });
      if (message === undefined) return -1;
      message.arrivesIn = arrivesIn;
      if (!message.kept) {
        message.kept = true;
        kept.push(message);
      }
      return message.sentIn;
    },
    trim(first) {
      if (first === undefined) return;
      for (const each of kept) each.kept = isIn(each, first);
      kept = kept.filter((each) => each.kept);
    },
    list: (first) => (first === undefined ? [] : kept.filter((each) => isIn(each, first))
      .sort((a, b) => a.atMs - b.atMs)),
  };
}

