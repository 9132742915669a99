// Recognises commands that come twice. A retry over a lost leader may put one command into the log two times;
// the second must change nothing. Part of the state, so that every member decides alike.
// What always holds: a command is applied at most once, as long as its origin keeps fewer than
// `commandWindow` of them under way and is among the `commandOriginsMax` that wrote last.

import type { PeerId } from '../ids.ts';
import { limits } from '../limits.ts';
import type { CommandId } from './types.ts';
import type { CommandWindow, MutableState } from './state.ts';

/** Marks the command as applied, and says what it was before: new, applied already, or too old to tell. */
export function enter(state: MutableState, id: CommandId): 'new' | 'duplicate' | 'too-old' {
  const window = windowOf(state, id);
  if (id.incarnation < window.incarnation) return 'too-old';
  if (id.sequence <= window.through) return id.sequence <= window.forced ? 'too-old' : 'duplicate';
  if (window.seen.has(id.sequence)) return 'duplicate';
  window.seen.add(id.sequence);
  advance(window, id.sequence);
  return 'new';
}

/** The latest run of this origin that a command was applied of; 0: none. */
export function lastIncarnation(state: MutableState, origin: PeerId): number {
  return state.windows.get(origin)?.incarnation ?? 0;
}

/** Was this command applied, for all that the state knows? */
export function wasApplied(state: MutableState, id: CommandId): boolean {
  const window = state.windows.get(id.origin);
  if (window === undefined || window.incarnation !== id.incarnation) return false;
  return window.seen.has(id.sequence) || (id.sequence <= window.through && id.sequence > window.forced);
}

function windowOf(state: MutableState, id: CommandId): CommandWindow {
  let window = state.windows.get(id.origin);
  if (window === undefined || id.incarnation > window.incarnation) {
    window = { incarnation: id.incarnation, through: 0, forced: 0, seen: new Set() };
  }
  // The last used is last, so that the first is the one to forget.
  state.windows.delete(id.origin);
  state.windows.set(id.origin, window);
  if (state.windows.size > limits.commandOriginsMax) {
    const oldest = state.windows.keys().next();
    if (!oldest.done) state.windows.delete(oldest.value);
  }
  return window;
}

function advance(window: CommandWindow, newest: number): void {
  const { seen } = window, floor = newest - limits.commandWindow;
  if (floor > window.through) {
    // Whichever is less work: the numbers in the gap, or those that were seen.
    if (floor - window.through < seen.size) {
      for (let n = window.through + 1; n <= floor; n += 1) seen.delete(n);
    } else {
      for (const n of [...seen]) if (n <= floor) seen.delete(n);
    }
    window.through = floor;
    window.forced = floor;
  }
  while (seen.delete(window.through + 1)) window.through += 1;
}
