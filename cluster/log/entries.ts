// The entries in memory: everything after the last forgotten one, whose index and term are remembered, and
// how much of it is committed. Forgetting is cheap: the list is shifted only once half of it is dead.
// What always holds: `items[head + i]` has index `base + 1 + i`; terms never fall from one entry to the next;
// base ≤ commit ≤ lastIndex; what is committed is never dropped except by forgetting.

import { assert, present } from '../assert.ts';
import { index as toIndex } from '../ids.ts';
import type { Index, Term } from '../ids.ts';
import { limits } from '../limits.ts';
import type { Entry, SnapshotMeta } from './types.ts';

export class Entries {
  /** Index and term of the entry before the first one held. */
  base: Index;
  baseTerm: Term;
  /** Everything up to here is committed. */
  commit: Index;
  private items: Entry[] = [];
  private head = 0;

  constructor(snapshot: Pick<SnapshotMeta, 'index' | 'term'>, entries: readonly Entry[]) {
    this.base = snapshot.index;
    this.baseTerm = snapshot.term;
    this.commit = snapshot.index;
    this.append(entries);
  }

  get lastIndex(): Index {
    return toIndex(this.base + this.items.length - this.head);
  }

  get lastTerm(): Term {
    return this.items.length > this.head ? (this.items.at(-1) as Entry).term : this.baseTerm;
  }

  /** The term of the entry at `at`, or null where this log doesn't know it: forgotten, or not yet written. */
  termAt(at: number): Term | null {
    if (at === this.base) return this.baseTerm;
    return at < this.base ? null : this.items[this.head + at - this.base - 1]?.term ?? null;
  }

  /** Adds entries that follow the last one. */
  append(added: readonly Entry[]): void {
    let last: number = this.lastIndex, before: number = this.lastTerm;
    for (const entry of added) {
      assert(entry.index === last + 1, `log: entry ${entry.index} does not follow ${last}`);
      assert(entry.term >= before, `log: term ${entry.term} of entry ${entry.index} is below ${before}`);
      last = entry.index;
      before = entry.term;
      this.items.push(entry);
    }
  }

  /** Drops all entries above `after`. */
  truncateAfter(after: Index): void {
    assert(after >= this.commit, `log: ${this.commit} is committed, so ${after} can't be the last entry`);
    this.items.length = Math.min(this.items.length, this.head + after - this.base);
  }

  /** Forgets entries up to `to`, all of which must be committed. */
  forget(to: Index): void {
    if (to <= this.base) return;
    assert(to <= this.commit, `log: entry ${to} is not committed and can't be forgotten`);
    this.baseTerm = present(this.termAt(to), `term of entry ${to}`);
    this.head += to - this.base;
    this.base = to;
    if (this.head * 2 < this.items.length) return;
    this.items = this.items.slice(this.head);
    this.head = 0;
  }

  /** Entries `from` … `to`, both included, which must all be held. */
  slice(from: number, to: number): Entry[] {
    assert(from > this.base && to <= this.lastIndex, `log: entries ${from} to ${to} are not all here`);
    const start = this.head + from - this.base - 1;
    return this.items.slice(start, start + to - from + 1);
  }

  /** Entries from `from` to at most `to`: at least one, and then as many as stay within `bytesMax`. */
  batch(from: number, to: number, bytesMax: number): Entry[] {
    const offset = this.head - this.base - 1;
    let bytes = 0, end = from;
    for (let at = from; at <= to; at++) {
      bytes += sizeOf(present(this.items[offset + at], `entry ${at}`));
      if (at > from && bytes > bytesMax) break;
      end = at;
    }
    return this.slice(from, end);
  }

  /** Committed entries from `first` on, for a member that missed them. */
  committedFrom(
    first: number, bytesMax: number,
  ): { readonly entries: readonly Entry[]; readonly prevTerm: Term } | 'compacted' {
    const prevTerm = this.termAt(first - 1);
    if (first <= this.base) return 'compacted';
    if (prevTerm === null || first > this.commit) return { entries: [], prevTerm: prevTerm ?? this.lastTerm };
    return { entries: this.batch(first, this.commit, bytesMax), prevTerm };
  }

  /** What may go once the state is saved at `saved`: all but `keep` entries, fewer if they are large. */
  forgettable(saved: Index, keep: number): Index {
    const offset = this.head - this.base - 1;
    let bytes = 0, at: number = Math.min(saved, this.commit);
    const end = at - keep;
    for (; at > this.base && at > end; at--) {
      bytes += sizeOf(present(this.items[offset + at], `entry ${at}`));
      if (bytes > limits.logBytesKept) break;
    }
    return toIndex(Math.max(at, this.base));
  }

  /**
   * The highest index at or below `at` whose term is at most `term`: where two logs may still agree. Ends at
   * what is forgotten, about which nothing more is known.
   */
  lastOfTerm(at: number, term: number): Index {
    let candidate = Math.min(at, this.lastIndex);
    while (candidate > this.base && (this.termAt(candidate) ?? 0) > term) candidate -= 1;
    return toIndex(candidate);
  }
}

/** Bytes an entry takes in a message or on disk, near enough. */
const sizeOf = (entry: Entry): number => entry.data.length + 32;
