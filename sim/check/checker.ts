// All oracles of one run, and the looking after every event: what the peer that just handled an event is now,
// against what it was, against what is committed. When nothing changed this costs a few comparisons.

import { present } from '../../cluster/assert.ts';
import type { PeerId } from '../../cluster/ids.ts';
import type { LogDescription } from '../../cluster/log/log.ts';
import type { Entry, LogMember, LogRecovery } from '../../cluster/log/types.ts';
import type { DiskWrite } from '../../cluster/ports.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Applied } from '../../cluster/state/types.ts';
import { decodeCommand, decodeMembers, decodeMessage, isRefusal } from '../../cluster/wire.ts';
import { createChangesOracle } from './changes.ts';
import { createCleanupOracle } from './cleanup.ts';
import type { CleanupOracle } from './cleanup.ts';
import { createClientsOracle } from './clients.ts';
import type { ClientsOracle } from './clients.ts';
import { createContainersOracle } from './containers.ts';
import type { ContainersOracle } from './containers.ts';
import { createElectionOracle } from './election.ts';
import type { ElectionOracle } from './election.ts';
import { createFieldsOracle } from './fields.ts';
import { frameKinds, kindOf, logNumbers, logTypes } from './frames.ts';
import { createGossipOracle } from './gossip.ts';
import type { GossipOracle } from './gossip.ts';
import { createHistory } from './history.ts';
import type { History } from './history.ts';
import { createLeaseOracle } from './lease.ts';
import { createLogOracle, entryOn, holds } from './log.ts';
import type { DiskView } from './log.ts';
import { createMatchingOracle } from './matching.ts';
import { createMembershipOracle } from './membership.ts';
import { createMarks } from '../marks.ts';
import type { Marks } from '../marks.ts';
import type { Note } from '../ports/trace.ts';
import type { Report } from './oracle.ts';
import { createOwnershipOracle } from './ownership.ts';
import { createPromisesOracle } from './promises.ts';
import { createSchedulingOracle } from './scheduling.ts';
import { createWatchOracle } from './watches.ts';
import type { WatchOracle } from './watches.ts';

/** What the checker looks at in a running peer. */
export interface Observed {
  readonly id: PeerId;
  readonly name: string;
  log(): LogDescription;
  state(): State;
}

export interface Checker {
  readonly history: History;
  readonly election: ElectionOracle;
  readonly containers: ContainersOracle;
  readonly clients: ClientsOracle;
  readonly watches: WatchOracle;
  readonly gossip: GossipOracle;
  /** Rare states that were reached. */
  readonly marks: Marks;
  /** A machine has come that was not there at the beginning. */
  added(disk: DiskView): void;
  /** A peer starts with what its disk gave back. */
  opened(peer: PeerId, recovery: LogRecovery): void;
  wrote(peer: PeerId, write: DiskWrite): void;
  sent(peer: PeerId, to: PeerId, frame: Uint8Array): void;
  /** A message is about to be handled. */
  heard(peer: PeerId, from: PeerId, frame: Uint8Array): void;
  /** A kubelet calls its runtime. */
  readonly called: CleanupOracle['called'];
  /** What a peer says of itself. */
  noted(note: Note): void;
  /** The peer has handled an event. */
  after(peer: Observed): void;
  /**
   * The peer died within an event. What it had committed by then it may have told clients of; all else that
   * it had come to would be known to itself alone.
   */
  died(peer: Observed): void;
}

interface Seen {
  role: string; term: number; commit: number; revision: number;
  voters: readonly PeerId[]; members: readonly LogMember[];
}

export function createChecker(
  report: Report, first: readonly DiskView[], nowMs: () => number = () => 0,
): Checker {
  const disks = [...first];
  const election = createElectionOracle(report);
  const log = createLogOracle(report);
  const history = createHistory(report);
  const scheduling = createSchedulingOracle(report, election.leaderOf);
  const containers = createContainersOracle(report);
  const clients = createClientsOracle(report, history, nowMs), watches = createWatchOracle(report, history);
  const seen = new Map<PeerId, Seen>();
  const diskOf = new Map(disks.map((disk) => [disk.id, disk]));
  const promises = createPromisesOracle(report, diskOf), membership = createMembershipOracle(report);
  const lease = createLeaseOracle(report), changes = createChangesOracle(report, log);
  const matching = createMatchingOracle(report, log, diskOf), gossip = createGossipOracle(report, nowMs);
  const nameOf = (peer: PeerId): string => diskOf.get(peer)?.name ?? peer;
  const marks = createMarks(election.leaderOf);
  let committedMembers: readonly LogMember[] = [];
  const fields = createFieldsOracle(report, nameOf), ownership = createOwnershipOracle(report, history);
  const cleanup = createCleanupOracle(report);
  /** What lost disks held and had acknowledged: it may be committed by that, though it is gone. */
  const lost = new Map<PeerId, DiskView>();
  /** By the term in which it was committed: the last entry. */
  const committedIn = new Map<number, { readonly index: number; readonly term: number }>();

  /** The peer is the first to have applied this far: what it applied is committed, so it must be durable. */
  function commit(
    peer: Observed, now: LogDescription, before: readonly PeerId[], through: number,
  ): void {
    const voterSets = [before, now.voters];
    for (let index = history.applied() + 1; index <= through; index += 1) {
      const term = log.termAt(peer.id, index);
      const entry = term === null ? null : find(peer.id, index, term);
      if (term === null || entry === null) {
        report('committed-is-durable',
          `${peer.name} commits entry ${index} of term ${term}, which is on no disk`);
        return;
      }
      voterSets.push(...votersIn(entry));
      if (index === through && !voterSets.some((voters) => isDurable(voters, index, term))) {
        const there = disks.filter((disk) => holds(disk, index, term)).map(({ id }) => id);
        report('committed-is-durable',
          `${peer.name} commits entry ${index} of term ${term}, which is on the disks of `
          + `${there.join(', ') || 'nobody'}; voters: ${now.voters.join(', ')}`);
      }
      membership.committed(entry);
      const applied = history.take(entry);
      judge(entry, applied);
      marks.applied(applied, entry.term, now.term);
      committedIn.set(now.term, { index, term });
    }
  }

  function judge(entry: Entry, applied: Applied): void {
    const command = entry.kind === 'command' ? decodeCommand(entry.data) : null;
    if (entry.kind === 'config') judgeMembers(entry);
    if (command === null || isRefusal(command)) return;
    scheduling.applied(history.state, entry, command, applied);
    fields.applied(command, applied.changes);
    ownership.applied(history.state, command, applied.changes);
    cleanup.applied(history.state, applied.changes);
  }

  function judgeMembers({ data }: Entry): void {
    const members = decodeMembers(data);
    if (isRefusal(members)) return;
    marks.members(members, committedMembers);
    committedMembers = members;
  }

  function find(first: PeerId, index: number, term: number): Entry | null {
    const own = entryOn(present(diskOf.get(first), `disk of ${first}`), index, term);
    if (own !== null) return own;
    for (const disk of disks) {
      const entry = entryOn(disk, index, term);
      if (entry !== null) return entry;
    }
    return null;
  }

  function isDurable(voters: readonly PeerId[], index: number, term: number): boolean {
    const holding = voters.filter((id) => {
      const disk = diskOf.get(id), before = lost.get(id);
      return (disk !== undefined && holds(disk, index, term))
        || (before !== undefined && holds(before, index, term));
    });
    // Arithmetic of its own: what is judged must not judge itself.
    return voters.length > 0 && holding.length * 2 > voters.length;
  }

  /** Who leads in a term holds what was committed in earlier ones; of later ones it may know nothing. */
  function checkLeader(peer: Observed): void {
    const { term } = peer.log(), disk = present(diskOf.get(peer.id), `disk of ${peer.id}`);
    for (const [committed, last] of committedIn) {
      if (committed >= term || holds(disk, last.index, last.term)) continue;
      report('leader-completeness',
        `${peer.name} leads in term ${term} without entry ${last.index} of term ${last.term}, `
        + `which was committed in term ${committed}`);
    }
  }

  /** Role, term or voters are not what they were. */
  function moved(peer: Observed, now: LogDescription, before: Seen): void {
    matching.looked(peer.id, now);
    if (now.term === before.term && now.role === before.role) return;
    if (now.term < before.term) {
      report('terms-grow', `${peer.name} went from term ${before.term} to ${now.term}`);
    }
    election.observe(peer.id, now.role, now.term);
    if (now.role === 'leader') checkLeader(peer);
  }

  /** By counting: what the others say that they have. */
  function checkCount(peer: Observed, now: LogDescription, before: Seen): void {
    if (before.role !== 'leader' || now.role !== 'leader' || now.term !== before.term) return;
    const term = log.termAt(peer.id, now.commit);
    if (term === null || term === now.term) return;
    report('commits-own-term', `${peer.name} leads in term ${now.term} and commits entry ${now.commit} of `
      + `term ${term} by counting`);
  }

  /** Commit index or applied index are not what they were. */
  function advanced(peer: Observed, now: LogDescription, state: State, before: Seen): void {
    const { revision } = state;
    if (now.commit < before.commit || revision < before.revision) {
      report('commit-grows',
        `${peer.name} went back from ${before.commit} (applied ${before.revision}) to `
        + `${now.commit} (applied ${revision})`);
    }
    if (now.commit > before.commit) checkCount(peer, now, before);
    if (revision > history.applied()) commit(peer, now, before.voters, revision);
    history.compare(peer.name, state);
  }

  return {
    history, containers, clients, watches, gossip, marks, called: cleanup.called,
    election: {
      ...election,
      wiped(peer) {
        const disk = diskOf.get(peer);
        if (disk !== undefined) lost.set(peer, uncommittedOn(disk, history.applied()));
        election.wiped(peer);
        promises.wiped(peer);
        matching.wiped(peer);
        gossip.wiped(peer);
        marks.wiped(peer, seen.get(peer)?.voters.includes(peer) === true);
      },
    },
    added(disk) {
      disks.push(disk);
      diskOf.set(disk.id, disk);
    },
    opened(peer, recovery) {
      // An empty disk is another disk: that it knows of no term is for the oracle of terms.
      if (isEmpty(recovery)) {
        promises.wiped(peer);
        matching.wiped(peer);
      }
      matching.opened(peer, recovery);
      marks.opened(peer, recovery, (index) => log.termAt(peer, index));
      log.opened(peer, recovery);
      election.restarted(peer, recovery.hard);
      membership.opened(peer);
      changes.opened(peer, recovery);
      gossip.opened(peer, nameOf(peer));
      seen.set(peer, {
        role: '', term: recovery.hard.term, commit: 0, revision: 0, voters: [], members: [],
      });
    },
    wrote(peer, write) {
      matching.wrote(peer, write);
      log.wrote(peer, write);
      marks.wrote(write);
      promises.wrote(peer, write);
      membership.wrote(peer, write);
      changes.wrote(peer, write);
    },
    sent(peer, to, frame) {
      const kind = kindOf(frame);
      marks.sent(frame);
      if (kind === frameKinds.gossip) return gossip.sent(peer, frame);
      if (kind !== frameKinds.log) return;
      matching.sent(peer, to, frame);
      const [type] = logNumbers(frame, 1) ?? [];
      // Entries and chunks are large, and no promises.
      if (type === logTypes.append || type === logTypes.snapshot) return;
      const message = decodeMessage(frame);
      if (isRefusal(message) || message.kind !== 'log') return;
      promises.sent(peer, to, message.message);
      membership.sent(peer, to, message.message);
      if (message.message.type !== 'vote-reply') return;
      if (message.message.granted) election.voted(peer, message.message.term, to);
    },
    heard(peer, from, frame) {
      marks.heard(nameOf(peer), frame);
      if (kindOf(frame) === frameKinds.log) matching.heard(peer, from, frame);
    },
    noted(note) {
      gossip.noted(note);
      marks.noted(note);
    },
    after(peer) {
      const now = peer.log(), state = peer.state(), before = present(seen.get(peer.id), peer.name);
      if (now.term !== before.term || now.role !== before.role || now.voters !== before.voters) {
        moved(peer, now, before);
      }
      if (now.members !== before.members) {
        gossip.members(peer.id, peer.name, now.members.map(({ id }) => id));
      }
      changes.after(peer.id, now, before);
      if (now.commit !== before.commit || state.revision !== before.revision) {
        advanced(peer, now, state, before);
      }
      marks.moved(peer.id, now, before);
      membership.after(peer.id, peer.name, now, (index) => log.termAt(peer.id, index));
      lease.after(peer.name, now);
      before.role = now.role;
      before.term = now.term;
      before.commit = now.commit;
      before.revision = state.revision;
      before.voters = now.voters;
      before.members = now.members;
    },
    died(peer) {
      const { revision } = peer.state(), { voters } = present(seen.get(peer.id), peer.name);
      if (revision > history.applied()) commit(peer, peer.log(), voters, revision);
    },
  };
}

const isEmpty = ({ hard, snapshot, entries }: LogRecovery): boolean =>
  hard.term === 0 && snapshot.index === 0 && entries.length === 0;

/** A disk as it is now, without what is known to be committed. */
function uncommittedOn({ id, name, synced }: DiskView, applied: number): DiskView {
  const entries = synced.entries.filter(({ index }) => index > applied);
  return { id, name, synced: { ...synced, entries } };
}

/** The voters that a config entry puts in force. */
function votersIn({ kind, data }: Entry): readonly (readonly PeerId[])[] {
  if (kind !== 'config') return [];
  const members = decodeMembers(data);
  return isRefusal(members) ? [] : [members.filter(({ voter }) => voter).map(({ id }) => id)];
}
