// Damage to what a simulated disk holds, and what a peer is told that finds it. A disk of real files tells
// damage from a write that a crash cut short by what follows it; so here: damage lies before the last record
// written or in the snapshot, and whoever opens the disk is refused, in the words of the real adapter
// (`runtime/ports/disk`). Damage to the very last record is not made: no reader of one copy could tell it
// from a write that was never finished, so it would be a lost acknowledgement without a word.
// What always holds: damage says nothing until somebody opens the disk; a compacted log or a newer snapshot
// takes the damage in what it replaces away with it.

import type { StoredLog } from '../../../cluster/log/stored.ts';
import type { Entry } from '../../../cluster/log/types.ts';

/** The peer must not start: what it acknowledged may be gone. */
export class DiskDamage extends Error {
  override name = 'DiskDamage';
  constructor(path: string, offset: number, what: string) {
    super(`${path} is damaged at byte ${offset}: ${what}. Nothing was changed. Keep a copy of ${directory}. `
      + `Then restore ${folder} from a backup of this peer's, or remove ${folder} and let the peer come back `
      + 'as a learner with `shoal join ADDRESS --token T`.');
  }
}

/** Where a record or a snapshot was hit. */
export type Damage =
  | { readonly what: 'entry'; readonly index: number }
  | { readonly what: 'snapshot'; readonly index: number };

export interface WriteSpoil {
  /** `rot`: other bits arrive. `misdirected`: they arrive elsewhere, over an older record. */
  readonly how: 'rot' | 'misdirected';
  /** Which older record, as in `damage`. */
  readonly atPpm: number;
  readonly may: () => boolean;
}

export interface Spoiling {
  damage(what: Damage['what'], atPpm: number): Damage | null;
  spoilNextRead(): void;
  spoilNextWrite(spoil: WriteSpoil): void;
  damages(): readonly Damage[];
  /** Records were written, in one sync; `first`: the first entry among them. */
  wrote(first: number | null): void;
  /** What lay at or below this index, and the snapshot before, are not on the disk any more. */
  replaced(through: number): void;
  /** Somebody reads it all: throws where that can't be trusted. */
  read(): void;
  closed(): void;
  clear(): void;
}

export function createSpoiling(log: () => Readonly<StoredLog>): Spoiling {
  let damages: Damage[] = [];
  let unreadable = false, spoil: WriteSpoil | null = null;
  /** The last sync wrote entries from here on: the last record. */
  let lastFrom = Infinity;
  /** Written with wrong bits, and still the last record. */
  let wrong: { readonly index: number; readonly may: () => boolean } | null = null;

  function entryAt(atPpm: number): number | null {
    const old = log().entries.filter(({ index }) => index < lastFrom);
    return old[Math.floor(atPpm * old.length / 1_000_000)]?.index ?? null;
  }
  function hit(index: number): Damage {
    const damage: Damage = { what: 'entry', index };
    damages.push(damage);
    damages.sort((a, b) => a.index - b.index);
    return damage;
  }
  function damage(what: Damage['what'], atPpm: number): Damage | null {
    if (what === 'entry') {
      const index = entryAt(atPpm);
      return index === null ? null : hit(index);
    }
    const { index } = log().snapshot;
    if (index === 0) return null;
    const found: Damage = { what: 'snapshot', index };
    damages.push(found);
    return found;
  }
  function misdirect({ atPpm, may }: WriteSpoil, first: number): void {
    const victim = entryAt(atPpm);
    if (victim === null || !may()) return;
    hit(victim);
    hit(first);
  }
  return {
    damage, damages: () => damages,
    spoilNextRead() { unreadable = true; },
    spoilNextWrite(next) { spoil = next; },
    wrote(first) {
      const before = wrong;
      wrong = null;
      lastFrom = first ?? Infinity;
      if (before !== null && log().entries.some(({ index }) => index === before.index) && before.may()) {
        hit(before.index);
      }
      if (spoil === null || first === null) return;
      if (spoil.how === 'misdirected') misdirect(spoil, first);
      else wrong = { index: first, may: spoil.may };
      spoil = null;
    },
    replaced(through) {
      damages = damages.filter(({ what, index }) =>
        (what === 'entry' ? index > through : index === log().snapshot.index));
    },
    read() {
      const found = damages[0] ?? (unreadable ? passing() : undefined);
      unreadable = false;
      if (found !== undefined) throw refusalOf(found, log().entries);
    },
    closed() {
      spoil = null;
      wrong = null;
    },
    clear() {
      damages = [];
      unreadable = false;
      lastFrom = Infinity;
    },
  };

  /** Where wrong bits were read that are not on the disk. */
  function passing(): Damage | undefined {
    const index = entryAt(500_000);
    return index === null ? undefined : { what: 'entry', index };
  }
}

const directory = '/var/lib/shoal', folder = `${directory}/log`;
const segment = `${folder}/000000000001.log`;
/** As on real files: a page before the first record, and a header before each. */
const segmentHeaderBytes = 4096, frameHeaderBytes = 24, snapshotHeaderBytes = 36;

function refusalOf(damage: Damage, entries: readonly Entry[]): DiskDamage {
  switch (damage.what) {
    case 'snapshot': {
      const path = `${folder}/${String(damage.index).padStart(15, '0')}.snapshot`;
      return new DiskDamage(path, snapshotHeaderBytes, 'the data fails its checksum');
    }
    case 'entry': {
      const offset = offsetOf(entries, damage.index), next = offsetOf(entries, damage.index + 1);
      return new DiskDamage(segment, offset, 'the record there fails its checksum, and a valid one follows '
        + `at byte ${next}, so this is no write that a crash cut short`);
    }
  }
}

function offsetOf(entries: readonly Entry[], index: number): number {
  return entries.filter((entry) => entry.index < index)
    .reduce((sum, { data }) => sum + Math.ceil((frameHeaderBytes + data.length) / 8) * 8, segmentHeaderBytes);
}
