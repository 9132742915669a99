// What is yet to be told: rumours and beats that ride on pings and acks. Each is told a number of times that
// grows with the logarithm of the cluster's size, the least told first, so that news spread like an epidemic
// and then end. What always holds: per peer at most one alive or dead rumour, or one suspicion per suspecting
// member up to Lifeguard's K + 1; per peer one beat, the newest.

import type { PeerId } from '../ids.ts';
import { limits } from '../limits.ts';
import type { Rumour } from './types.ts';

interface Told { told: number; readonly order: number }
interface Telling extends Told { readonly rumour: Rumour }
interface TellingBeat extends Told {
  readonly peer: PeerId;
  /** It says more than that time goes by. */
  readonly news: boolean;
}

export interface Rumours {
  /** Grows with each news: of two equally often told, the newer goes first. */
  order: number;
  readonly byPeer: Map<PeerId, readonly Telling[]>;
  /** Peers whose newest beat is still being spread. */
  readonly beats: Map<PeerId, TellingBeat>;
}

export function createRumours(): Rumours {
  return { order: 0, byPeer: new Map(), beats: new Map() };
}

/** Starts spreading `rumour`; older ones of the same peer are not told any more. */
export function tell(rumours: Rumours, rumour: Rumour): void {
  rumours.order += 1;
  const telling: Telling = { rumour, told: 0, order: rumours.order };
  const same = (rumours.byPeer.get(rumour.peer) ?? []).filter(({ rumour: old }) =>
    old.status === 'suspect' && rumour.status === 'suspect' && old.incarnation === rumour.incarnation
    && old.from !== rumour.from);
  rumours.byPeer.set(rumour.peer, [...same.slice(-limits.suspicionConfirmations), telling]);
}

export function forget(rumours: Rumours, peer: PeerId): void {
  rumours.byPeer.delete(peer);
  rumours.beats.delete(peer);
}

/**
 * Starts spreading a peer's newest beat. `news`: it says something else than the one before. In a large
 * cluster there are more beats than can be told, and news go first; what a beat says the next one says again,
 * so news that are under way go on with it.
 */
export function tellBeat(rumours: Rumours, peer: PeerId, news: boolean): void {
  rumours.order += 1;
  const before = rumours.beats.get(peer), goesOn = !news && before?.news === true;
  rumours.beats.set(peer, {
    peer, news: news || goesOn, told: goesOn ? before.told : 0, order: rumours.order,
  });
}

/** The next rumours to tell, at most `count`; each taken counts as told. */
export function takeRumours(rumours: Rumours, count: number, size: number): Rumour[] {
  const taken: Telling[] = [];
  for (const tellings of rumours.byPeer.values()) for (const each of tellings) offer(taken, each, count);
  const max = timesOf(limits.retellMultiplier, size);
  for (const telling of taken) {
    telling.told += 1;
    if (telling.told < max) continue;
    const peer = telling.rumour.peer;
    const left = (rumours.byPeer.get(peer) ?? []).filter((other) => other !== telling);
    if (left.length > 0) rumours.byPeer.set(peer, left);
    else rumours.byPeer.delete(peer);
  }
  return taken.map(({ rumour }) => rumour);
}

/** The peers whose beats to tell `to` next; nobody is told its own. */
export function takeBeats(rumours: Rumours, to: PeerId, count: number, size: number): PeerId[] {
  const taken: TellingBeat[] = [];
  for (const each of rumours.beats.values()) if (each.peer !== to && each.news) offer(taken, each, count);
  const others: TellingBeat[] = [], left = count - taken.length;
  for (const each of rumours.beats.values()) if (each.peer !== to && !each.news) offer(others, each, left);
  taken.push(...others);
  const max = timesOf(limits.beatRetellMultiplier, size);
  for (const each of taken) {
    each.told += 1;
    if (each.told >= max) rumours.beats.delete(each.peer);
  }
  return taken.map(({ peer }) => peer);
}

/**
 * Keeps `each` among the `count` to be told first, which stand in their order in `taken`. Of a thousand
 * members most have news at any time, and a message takes a few: one pass, and no sort of them all.
 */
function offer<T extends Told>(taken: T[], each: T, count: number): void {
  let at = taken.length;
  while (at > 0 && goesBefore(each, taken[at - 1] as T)) at -= 1;
  if (at >= count) return;
  taken.splice(at, 0, each);
  if (taken.length > count) taken.pop();
}

const goesBefore = (a: Told, b: Told): boolean => a.told < b.told || (a.told === b.told && a.order > b.order);

/** How often a piece of news is told in a cluster of `size` members. */
export function timesOf(multiplier: number, size: number): number {
  return multiplier * Math.ceil(Math.log2(size + 1));
}
