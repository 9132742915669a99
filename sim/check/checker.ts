// All oracles of one run, and the looking after every event: what the peer that just handled an event is now,
// against what it was, against what is committed. When nothing changed this costs a few comparisons.

import { present } from '../../cluster/assert.ts';
import type { PeerId } from '../../cluster/ids.ts';
import type { LogDescription } from '../../cluster/log/log.ts';
import type { Entry, LogRecovery } from '../../cluster/log/types.ts';
import type { DiskWrite } from '../../cluster/ports.ts';
import type { State } from '../../cluster/state/state.ts';
import { decodeMembers, decodeMessage, isRefusal } from '../../cluster/wire.ts';
import { createClientsOracle } from './clients.ts';
import type { ClientsOracle } from './clients.ts';
import { createContainersOracle } from './containers.ts';
import type { ContainersOracle } from './containers.ts';
import { createElectionOracle } from './election.ts';
import type { ElectionOracle } from './election.ts';
import { createHistory } from './history.ts';
import type { History } from './history.ts';
import { createLeaseOracle } from './lease.ts';
import { createLogOracle, entryOn, holds } from './log.ts';
import type { DiskView } from './log.ts';
import { createMembershipOracle } from './membership.ts';
import type { Note } from '../ports/trace.ts';
import type { Report } from './oracle.ts';
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
  /** A peer starts with what its disk gave back. */
  opened(peer: PeerId, recovery: LogRecovery): void;
  wrote(peer: PeerId, write: DiskWrite): void;
  sent(peer: PeerId, to: PeerId, frame: Uint8Array): void;
  /** A message is about to be handled. */
  heard(peer: PeerId, from: PeerId, frame: Uint8Array): void;
  /** What a peer says of itself. */
  noted(note: Note): void;
  /** The peer has handled an event. */
  after(peer: Observed): void;
}

interface Seen { role: string; term: number; commit: number; revision: number; voters: readonly PeerId[] }

export function createChecker(
  report: Report, disks: readonly DiskView[], nowMs: () => number = () => 0,
): Checker {
  const election = createElectionOracle(report);
  const log = createLogOracle(report);
  const history = createHistory(report);
  const scheduling = createSchedulingOracle(report, election.leaderOf);
  const containers = createContainersOracle(report);
  const clients = createClientsOracle(report, history), watches = createWatchOracle(report, history);
  const seen = new Map<PeerId, Seen>();
  const diskOf = new Map(disks.map((disk) => [disk.id, disk]));
  const promises = createPromisesOracle(report, diskOf), membership = createMembershipOracle(report);
  const lease = createLeaseOracle(report);
  /** By the term in which it was committed: the last entry. */
  const committedIn = new Map<number, { readonly index: number; readonly term: number }>();

  /** The peer is the first to have applied this far: what it applied is committed, so it must be durable. */
  function commit(peer: Observed, before: readonly PeerId[], through: number): void {
    const voterSets = [before, peer.log().voters];
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
          + `${there.join(', ') || 'nobody'}; voters: ${peer.log().voters.join(', ')}`);
      }
      membership.committed(entry);
      scheduling.applied(history.state, entry, history.take(entry));
      committedIn.set(peer.log().term, { index, term });
    }
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
      const disk = diskOf.get(id);
      return disk !== undefined && holds(disk, index, term);
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

  return {
    history, containers, clients, watches,
    election: {
      ...election,
      wiped(peer) {
        election.wiped(peer);
        promises.wiped(peer);
      },
    },
    opened(peer, recovery) {
      log.opened(peer, recovery);
      election.restarted(peer, recovery.hard);
      membership.opened(peer);
      seen.set(peer, { role: '', term: recovery.hard.term, commit: 0, revision: 0, voters: [] });
    },
    wrote(peer, write) {
      log.wrote(peer, write);
      promises.wrote(peer, write);
      membership.wrote(peer, write);
    },
    sent(peer, to, frame) {
      // An array of two, the first the log's kind 0; entries and chunks are large, and no promises.
      if (frame[0] !== 0x92 || frame[1] !== 0 || frame[3] === appendType || frame[3] === snapshotType) return;
      const message = decodeMessage(frame);
      if (isRefusal(message) || message.kind !== 'log') return;
      promises.sent(peer, to, message.message);
      membership.sent(peer, to, message.message);
      if (message.message.type !== 'vote-reply') return;
      if (message.message.granted) election.voted(peer, message.message.term, to);
    },
    heard() { /* Nothing is judged yet. */ },
    noted() { void nowMs; },
    after(peer) {
      const now = peer.log(), state = peer.state(), before = present(seen.get(peer.id), peer.name);
      const { revision } = state;
      if (now.term !== before.term || now.role !== before.role) {
        if (now.term < before.term) {
          report('terms-grow', `${peer.name} went from term ${before.term} to ${now.term}`);
        }
        election.observe(peer.id, now.role, now.term);
        if (now.role === 'leader') checkLeader(peer);
        before.term = now.term;
        before.role = now.role;
      }
      if (now.commit !== before.commit || revision !== before.revision) {
        if (now.commit < before.commit || revision < before.revision) {
          report('commit-grows',
            `${peer.name} went back from ${before.commit} (applied ${before.revision}) to `
            + `${now.commit} (applied ${revision})`);
        }
        if (revision > history.applied()) commit(peer, before.voters, revision);
        history.compare(peer.name, state);
        before.commit = now.commit;
        before.revision = revision;
      }
      membership.after(peer.id, peer.name, now, (index) => log.termAt(peer.id, index));
      lease.after(peer.name, now);
      before.voters = now.voters;
    },
  };
}

/** Of `append` and `snapshot` on the wire. */
const appendType = 4, snapshotType = 6;

/** The voters that a config entry puts in force. */
function votersIn({ kind, data }: Entry): readonly (readonly PeerId[])[] {
  if (kind !== 'config') return [];
  const members = decodeMembers(data);
  return isRefusal(members) ? [] : [members.filter(({ voter }) => voter).map(({ id }) => id)];
}
