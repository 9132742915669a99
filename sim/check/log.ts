// Oracles of the log: what each peer writes to its disk, compared with what every other peer wrote.
// What always holds: the record of an (index, term) is made by whoever writes it first; everybody else's must
// be the same, and follow an entry of the same term. By induction, all that comes before is the same too.

import type { PeerId } from '../../cluster/ids.ts';
import type { DiskWrite } from '../../cluster/ports.ts';
import type { Entry, LogRecovery } from '../../cluster/log/types.ts';
import type { StoredLog } from '../../cluster/log/stored.ts';
import type { Report } from './oracle.ts';

/** A voter's disk, for counting who holds what. */
export interface DiskView { readonly id: PeerId; readonly name: string; readonly synced: Readonly<StoredLog> }

export interface LogOracle {
  opened(peer: PeerId, recovery: LogRecovery): void;
  wrote(peer: PeerId, write: DiskWrite): void;
  /** The term of the entry that the peer itself has written at `index`; null if it is not known. */
  termAt(peer: PeerId, index: number): number | null;
}

interface Mirror { base: number; baseTerm: number; terms: number[] }
interface Written {
  readonly term: number; readonly prevTerm: number; readonly hash: number; readonly by: PeerId;
}

export function createLogOracle(report: Report): LogOracle {
  const mirrors = new Map<PeerId, Mirror>();
  const written = new Map<number, Written[]>();

  function mirror(peer: PeerId): Mirror {
    let found = mirrors.get(peer);
    if (found === undefined) mirrors.set(peer, found = { base: 0, baseTerm: 0, terms: [] });
    return found;
  }

  function termIn(log: Mirror, index: number): number | null {
    if (index === log.base) return log.baseTerm;
    return log.terms[index - log.base - 1] ?? null;
  }

  function take(peer: PeerId, log: Mirror, entry: Entry): void {
    const { index, term } = entry;
    const prevTerm = termIn(log, index - 1);
    if (prevTerm === null) {
      report('log-matching', `${peer} writes entry ${index} after ${log.base + log.terms.length}`);
      return;
    }
    log.terms.length = index - log.base - 1;
    log.terms.push(term);
    const known = written.get(index);
    if (known === undefined) {
      written.set(index, [{ term, prevTerm, hash: hashEntry(entry), by: peer }]);
      return;
    }
    const same = known.find((each) => each.term === term);
    if (same === undefined) known.push({ term, prevTerm, hash: hashEntry(entry), by: peer });
    else if (same.hash !== hashEntry(entry)) {
      report('log-matching', `entry ${index} of term ${term} is not the same on ${same.by} and on ${peer}`);
    } else if (same.prevTerm !== prevTerm) {
      report('log-matching', `entry ${index} of term ${term} follows term ${same.prevTerm} on ${same.by}, `
        + `term ${prevTerm} on ${peer}`);
    }
  }

  return {
    opened(peer, { snapshot, entries }) {
      const log: Mirror = { base: snapshot.index, baseTerm: snapshot.term, terms: [] };
      mirrors.set(peer, log);
      for (const entry of entries) log.terms.push(entry.term);
    },
    wrote(peer, { snapshot, truncateAfter, entries }) {
      const log = mirror(peer);
      if (snapshot !== undefined) {
        const { index, term } = snapshot.meta;
        // A log that agrees with the snapshot keeps what lies beyond it.
        const rest = termIn(log, index) === term ? log.terms.slice(index - log.base) : [];
        Object.assign(log, { base: index, baseTerm: term, terms: rest });
      }
      if (truncateAfter !== undefined) log.terms.length = Math.max(0, truncateAfter - log.base);
      for (const entry of entries) take(peer, log, entry);
    },
    termAt(peer, index) {
      return termIn(mirror(peer), index);
    },
  };
}

/** Whether a disk holds this entry, or a snapshot that covers it. */
export function holds({ synced }: DiskView, index: number, term: number): boolean {
  if (synced.snapshot.index >= index) return true;
  const first = synced.entries[0];
  return first !== undefined && synced.entries[index - first.index]?.term === term;
}

export function entryOn({ synced }: DiskView, index: number, term: number): Entry | null {
  const first = synced.entries[0];
  const entry = first === undefined ? undefined : synced.entries[index - first.index];
  return entry?.term === term ? entry : null;
}

/** FNV-1a over kind and bytes. */
function hashEntry({ kind, data }: Entry): number {
  let h = 0x811c9dc5 ^ kind.length;
  for (let i = 0; i < data.length; i += 1) h = Math.imul(h ^ (data[i] as number), 0x01000193);
  return h >>> 0;
}
