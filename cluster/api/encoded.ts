// Objects beside their JSON: made when it is first asked for by a list or a watch, and kept with the object,
// so that a list is a concatenation and a change is encoded once for all who watch.
//
// A text of ASCII takes one byte a character in V8, so these are the encoded bytes, without what an array of
// bytes would cost beside them. The text hangs on the object by a private field: as entries of a weak map,
// the texts of 100,000 objects held the event loop for 20 ms whenever the map grew, and each collection of
// garbage went through them (measured).
// What always holds: a text is that of an object that never changes; the state drops the text of what it
// replaces (`forget`); all texts together stay within `limits.encodedCharsKept`, those that nobody used
// for longest being dropped first.

import { limits } from '../limits.ts';

interface Kept {
  /** Empty: it was dropped. */
  text: string;
  /** Since it was last looked at for dropping. */
  used: boolean;
}

/** A constructor that gives back what it got lets a class put a private field on any object. */
class Itself {
  constructor(object: object) { return object; }
}

class Beside extends Itself {
  #kept: Kept;

  constructor(object: object, kept: Kept) {
    super(object);
    this.#kept = kept;
  }

  static of(object: object): Kept | undefined { return #kept in object ? object.#kept : undefined; }
}

/** In the order in which they were made or last spared; those before `first` were dropped. */
let queue: Kept[] = [];
let first = 0, chars = 0, empty = 0;

/** The object's JSON, made once and kept: for what many ask for, lists and watches. */
export function jsonOf(object: object): string {
  const known = Beside.of(object);
  if (known !== undefined && known.text !== '') {
    known.used = true;
    return known.text;
  }
  const text = JSON.stringify(object);
  makeRoom(text.length);
  chars += text.length;
  const kept = known ?? { text: '', used: false };
  kept.text = text;
  if (known === undefined) new Beside(object, kept);
  queue.push(kept);
  return text;
}

/** The object's JSON, not kept: for what one client asks for. */
export function jsonOnce(object: object): string { return Beside.of(object)?.text || JSON.stringify(object); }

/** Nobody will ask for it any more. */
export function forget(object: object): void {
  const kept = Beside.of(object);
  if (kept === undefined || kept.text === '') return;
  drop(kept);
  empty += 1;
  if (empty > 1_024 && empty * 2 > queue.length - first) {
    queue = queue.slice(first).filter(({ text }) => text !== '');
    first = empty = 0;
  }
}

/** Characters that are kept now. */
export const keptChars = (): number => chars;

/** Drops the oldest that were not used since they were looked at last. */
function makeRoom(wanted: number): void {
  while (chars + wanted > limits.encodedCharsKept && first < queue.length) {
    const kept = queue[first] as Kept;
    first += 1;
    if (kept.text === '') empty = Math.max(0, empty - 1);
    else if (kept.used) {
      kept.used = false;
      queue.push(kept);
    } else drop(kept);
  }
  if (first < 1_024 || first * 2 < queue.length) return;
  queue = queue.slice(first);
  first = 0;
}

function drop(kept: Kept): void {
  chars -= kept.text.length;
  kept.text = '';
}
