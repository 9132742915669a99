// Hosts the log: hands it events, carries out its effects, applies what it commits to the state.
//
// What always holds: one event is stepped at a time, and its effects are carried out before the next; the
// state changes only here, entry by entry in the order of the log, or as a whole by a snapshot.

import { assert, unreachable } from '../../cluster/assert.ts';
import { index as toIndex, term as toTerm } from '../../cluster/ids.ts';
import type { Index, PeerId, Term } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { createLog, describe, step } from '../../cluster/log/log.ts';
import type { LogDescription } from '../../cluster/log/log.ts';
import { isCaughtUp } from '../../cluster/log/role.ts';
import type {
  Entry, LogEffect, LogEvent, LogMember, LogRecovery, LogRole, SnapshotMeta,
} from '../../cluster/log/types.ts';
import type { PeerMessage } from '../../cluster/messages.ts';
import type { DiskEvent } from '../../cluster/ports.ts';
import { applyEntry } from '../../cluster/state/apply.ts';
import { decodeState } from '../../cluster/state/snapshot.ts';
import type { Applied } from '../../cluster/state/types.ts';
import type { State } from '../../cluster/state/state.ts';
import { decodeMembers, isRefusal } from '../../cluster/wire.ts';
import type { Batch } from './commands.ts';
import { createCompaction } from './compaction.ts';
import type { Core } from './core.ts';
import { createSnapshots } from './snapshots.ts';
import type { Snapshot } from './snapshots.ts';

export interface RoleView {
  readonly role: LogRole;
  readonly term: Term;
  readonly leader: PeerId | null;
  readonly ready: boolean;
}

export interface ConsensusHooks {
  send(to: PeerId, message: PeerMessage): void;
  /** Entries were committed and applied, in order. */
  committed(entries: readonly Entry[], applied: readonly Applied[]): void;
  /** The whole state was replaced. */
  installed(before: State, members: readonly LogMember[]): void;
  role(view: RoleView): void;
  members(members: readonly LogMember[], committed: boolean): void;
  /** Each membership that was applied, in order. */
  membership(members: readonly LogMember[], at: Index): void;
  /** The log did not take this batch. */
  batchRefused(batch: Batch): void;
  failed(message: string): void;
}

export interface Consensus {
  feed(event: LogEvent): void;
  /** A door has let this peer in, now or before it started: the fact that tells as of when. */
  joined(fact: string | undefined): void;
  /**
   * Applies what this peer itself has noted as committed before it started: for that nobody need be asked.
   */
  recall(note: string | undefined): void;
  propose(batch: Batch): void;
  /** Calls back with a read index, or null if this peer can't give one. */
  readIndex(done: (index: Index | null) => void): void;
  disk(event: DiskEvent): void;
  describe(): LogDescription;
  /** Everything up to here is on this peer's own stable storage. */
  durable(): Index;
  /** The log has come as far as when a door let this peer in; before, it tells of times that are over. */
  isCaughtUp(): boolean;
  /** Up to here at least this peer knows its membership: by its state, or by the word of a door. */
  knownTo(): Index;
  /** The entries that a member asked for by repair. */
  entriesFrom(first: Index, bytesMax: number): CommittedRange | 'compacted';
  termAt(index: Index): Term | null;
  /** A snapshot of the state, for a member that repairs itself; null: it is being made. */
  snapshotNow(): Snapshot | null;
}

export interface CommittedRange { readonly entries: readonly Entry[]; readonly prevTerm: Term }

export function createConsensus(core: Core, recovery: LogRecovery, hooks: ConsensusHooks): Consensus {
  const log = createLog({ self: core.self, bounds: core.config.logBounds ?? {} }, recovery, core.random);
  const inbox: { readonly event: LogEvent; readonly batch: Batch | null }[] = [];
  const readers = new Map<number, (index: Index | null) => void>();
  let stepping = false, noting = false, broken = false, caughtUp = false;
  let lastRead = 0;
  /** The members as of the last applied entry, for the meta of snapshots of the state. */
  let appliedMembers: readonly LogMember[] = recovery.snapshot.members;
  const compaction = createCompaction(core, recovery.entries.length, metaNow);
  const snapshots = createSnapshots(core, metaNow), encoding = new Set<PeerId>();

  function feed(event: LogEvent, batch: Batch | null = null): void {
    inbox.push({ event, batch });
    if (stepping) return;
    stepping = true;
    for (let next = inbox.shift(); next !== undefined; next = inbox.shift()) {
      for (const effect of step(log, next.event, core.now())) execute(effect, next.batch);
    }
    stepping = false;
  }

  function execute(effect: LogEffect, batch: Batch | null): void {
    if (broken) return;
    switch (effect.type) {
      case 'send': return hooks.send(effect.to, { kind: 'log', message: effect.message });
      case 'persist': return core.ports.disk.write(effect);
      case 'commit': return commit(effect.entries);
      case 'install': return install(effect.meta, effect.data);
      case 'need-snapshot': return encodeFor(effect.to);
      case 'arm': {
        const { timer } = effect;
        return core.arm(`log/${timer}`, effect.ms, () => feed({ type: 'timer', timer }));
      }
      case 'disarm': return core.disarm(`log/${effect.timer}`);
      case 'role':
        core.trace('log', 'role', { role: effect.role, term: effect.term, leader: effect.leader,
          ready: effect.ready });
        return hooks.role(effect);
      case 'members': return hooks.members(effect.members, effect.committed);
      case 'proposed': return;
      case 'refused':
        if (effect.readId !== undefined) return answer(effect.readId, null);
        if (effect.what === 'propose' && batch !== null) hooks.batchRefused(batch);
        return core.trace('log', 'refused', { what: effect.what, reason: effect.reason });
      case 'read-ready': return answer(effect.id, effect.index);
      default: return unreachable(effect);
    }
  }

  function answer(id: number, index: Index | null): void {
    const done = readers.get(id);
    readers.delete(id);
    done?.(index);
  }

  function commit(entries: readonly Entry[]): void {
    const applied: Applied[] = [];
    for (const entry of entries) {
      if (entry.index <= core.state.revision) continue;
      assert(entry.index === core.state.revision + 1, `entry ${entry.index} after ${core.state.revision}`);
      applied.push(applyEntry(core.state, entry, core.ports.once));
      if (entry.kind === 'config') {
        appliedMembers = membersOf(entry);
        hooks.membership(appliedMembers, entry.index);
      }
      compaction.applied(entry);
    }
    noteCommitted();
    hooks.committed(entries, applied);
    compaction.review();
  }

  /** Now and then, not at each commit: the note only shortens what a restart has to ask for. */
  function noteCommitted(): void {
    if (!caughtUp && isCaughtUp(log)) {
      // At once: a peer that starts again and does not know that it had caught up asks at a door, and if it
      // was taken out meanwhile it is let in once more.
      caughtUp = true;
      return saveCommitted();
    }
    if (noting) return;
    noting = true;
    core.arm('log/note', limits.commitNoteMs, () => {
      noting = false;
      saveCommitted();
    });
  }

  function saveCommitted(): void {
    core.ports.disk.saveFact(committedFact, `${core.state.revision}/${core.state.term}`);
  }

  function install(meta: SnapshotMeta, data: Uint8Array): void {
    const next = decodeState(data);
    if ('refusal' in next) {
      // What the log would write next is this very snapshot.
      broken = true;
      hooks.failed(`a snapshot at index ${meta.index} can't be read: ${next.refusal}; nothing was changed`);
      return;
    }
    assert(next.revision as number === meta.index, `snapshot of ${meta.index} holds ${next.revision}`);
    const before = core.state;
    if (next.revision <= before.revision) return;
    core.state = next;
    appliedMembers = meta.members;
    compaction.replaced(data.length);
    core.trace('state', 'installed', { index: meta.index });
    hooks.installed(before, meta.members);
  }

  function metaNow(): SnapshotMeta {
    const { revision, term } = core.state;
    return { index: revision as number as Index, term, members: appliedMembers };
  }

  /** Asked again while it is being made, the log wants it once. */
  function encodeFor(to: PeerId): void {
    if (encoding.has(to)) return;
    encoding.add(to);
    snapshots.make(({ meta, data }) => {
      encoding.delete(to);
      feed({ type: 'snapshot-ready', to, meta, data });
    });
  }

  return {
    feed: (event) => feed(event),
    joined(fact) {
      const { index, term } = placeIn(fact);
      feed({ type: 'joined', index: toIndex(index), term: toTerm(term) });
    },
    recall(note) {
      const { index, term } = placeIn(note);
      const { entries, snapshot } = recovery;
      // An entry of the same index and term is the committed one, and so are all before it.
      const last = entries.findIndex((entry) => entry.index === index && entry.term === term);
      if (last < 0) return;
      feed({ type: 'learned', entries: entries.slice(0, last + 1), prevTerm: snapshot.term });
    },
    propose: (batch) => feed({ type: 'propose', data: batch.data }, batch),
    readIndex(done) {
      lastRead += 1;
      readers.set(lastRead, done);
      feed({ type: 'read', id: lastRead });
    },
    disk(event) {
      switch (event.type) {
        case 'persisted': return feed({ type: 'persisted', token: event.token });
        case 'snapshot-saved':
          compaction.saved(event.index);
          return feed({ type: 'compacted', index: event.index });
        case 'disk-failed': return hooks.failed(event.message);
        default: return unreachable(event);
      }
    },
    describe: () => describe(log, core.now()),
    durable: () => log.durable.index,
    isCaughtUp: () => isCaughtUp(log),
    knownTo: () => toIndex(Math.max(core.state.revision, log.votesFrom)),
    entriesFrom: (first, bytesMax) => log.entries.committedFrom(first, bytesMax),
    termAt: (index) => log.entries.termAt(index),
    snapshotNow: snapshots.now,
  };
}

/** The fact on disk: `index/term` of an entry that was applied, so committed. */
export const committedFact = 'committed';
/** … and as of which entry a door has let this peer in. */
export const joinedFact = 'joined';

function placeIn(fact: string | undefined): { readonly index: number; readonly term: number } {
  const [index = 0, term = 0] = (fact ?? '0/0').split('/').map(Number);
  return { index, term };
}

function membersOf(entry: Entry): readonly LogMember[] {
  const members = decodeMembers(entry.data);
  assert(!isRefusal(members), `config entry ${entry.index} can't be read`);
  return members;
}
