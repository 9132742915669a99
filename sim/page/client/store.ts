// What the reader looks at: the stretch of time in view, the cursor, the filter. It is kept in the address
// after `#`, so that a link leads to the same place. What always holds: whoever draws is told of each change
// once per frame, however many there were.

import { groups } from '../data.ts';
import { clampView, filterItems, itemAt } from '../model.ts';
import type { Filter, Run, View } from '../model.ts';

export interface Looking {
  readonly view: View;
  /** Where the cursor is, and the last item that has happened there; -1: none. */
  readonly cursorUs: number;
  readonly item: number;
  readonly filter: Filter;
  /** The items that pass the filter. */
  readonly wanted: readonly number[];
}

export interface Store {
  now(): Looking;
  show(view: View): void;
  /** Puts the cursor at a time, or on an item, and moves the view if it would be out of sight. */
  go(to: { readonly us: number } | { readonly item: number }): void;
  filter(filter: Filter): void;
  onChange(draw: (now: Looking, before: Looking | null) => void): void;
}

export function createStore(run: Run, home: { readonly view: View; readonly cursorUs: number }): Store {
  const { limitUs, recording: { endUs, peers } } = run;
  const everything: Filter = {
    peers: new Set(peers.keys()), groups: new Set(groups.keys()), words: '',
  };
  const atHome: Looking = {
    view: home.view, cursorUs: home.cursorUs, item: itemAt(run, home.cursorUs), filter: everything,
    wanted: filterItems(run, everything),
  };
  let now = readAddress(run, atHome), drawn: Looking | null = null, waiting = false;
  const listeners: ((now: Looking, before: Looking | null) => void)[] = [];

  function change(next: Partial<Looking>): void {
    now = { ...now, ...next };
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      const before = drawn;
      drawn = now;
      for (const listener of listeners) listener(now, before);
      history.replaceState(null, '', addressOf(run, now));
    });
  }
  addEventListener('hashchange', () => change(readAddress(run, atHome)));
  return {
    now: () => now,
    show: (view) => change({ view: clampView(view, limitUs) }),
    go(to) {
      const item = 'item' in to ? to.item : itemAt(run, to.us);
      const cursorUs = Math.min(endUs, Math.max(0, 'us' in to ? to.us : run.itemUs[item] ?? 0));
      const { view: { fromUs, untilUs } } = now, length = untilUs - fromUs;
      const isSeen = cursorUs >= fromUs && cursorUs <= untilUs;
      const around = { fromUs: cursorUs - length / 2, untilUs: cursorUs + length / 2 };
      const view = isSeen ? now.view : clampView(around, limitUs);
      change({ cursorUs, item, view });
    },
    filter: (filter) => change({ filter, wanted: filterItems(run, filter) }),
    onChange(listener) {
      listeners.push(listener);
      change({});
    },
  };
}

function addressOf({ recording: { peers } }: Run, { view, cursorUs, item, filter }: Looking): string {
  const seconds = (us: number): string => String(us / 1e6);
  const some = (chosen: ReadonlySet<number>, all: number): string | null =>
    (chosen.size === all ? null : [...chosen].sort((a, b) => a - b).join('.'));
  const words = new URLSearchParams({
    t: seconds(cursorUs), from: seconds(view.fromUs), until: seconds(view.untilUs),
  });
  if (item >= 0) words.set('item', String(item));
  const lanes = some(filter.peers, peers.length), kinds = some(filter.groups, groups.length);
  if (lanes !== null) words.set('peers', lanes);
  if (kinds !== null) words.set('kinds', kinds);
  if (filter.words !== '') words.set('words', filter.words);
  return `#${words}`;
}

/** Whatever the address does not say, or says badly, is as at home. */
function readAddress(run: Run, atHome: Looking): Looking {
  const { recording: { peers }, limitUs, itemUs } = run;
  const words = new URLSearchParams(location.hash.slice(1));
  const us = (name: string, otherwise: number): number => {
    const text = words.get(name), n = Math.round(Number(text) * 1e6);
    const isTime = text !== null && text !== '' && Number.isFinite(n);
    return isTime ? Math.min(limitUs, Math.max(0, n)) : otherwise;
  };
  const some = (name: string, all: number): ReadonlySet<number> => {
    const text = words.get(name);
    if (text === null) return new Set(Array.from({ length: all }, (_, n) => n));
    return new Set(text.split('.').map(Number).filter((n) => Number.isInteger(n) && n >= 0 && n < all));
  };
  const filter = {
    peers: some('peers', peers.length), groups: some('kinds', groups.length), words: words.get('words') ?? '',
  };
  const cursorUs = us('t', atHome.cursorUs), named = Number(words.get('item') ?? -1);
  const fromUs = us('from', atHome.view.fromUs), untilUs = us('until', atHome.view.untilUs);
  return {
    view: untilUs > fromUs ? clampView({ fromUs, untilUs }, limitUs) : atHome.view, cursorUs,
    item: itemUs[named] === cursorUs ? named : itemAt(run, cursorUs), filter,
    wanted: filterItems(run, filter),
  };
}
