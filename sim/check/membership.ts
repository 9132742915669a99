// Oracles of membership: who asks before it stands for election, when a membership may be changed, and that
// everybody's membership is the one that the log says. Judged from messages, writes and what is committed.

import type { PeerId } from '../../cluster/ids.ts';
import type { LogDescription } from '../../cluster/log/log.ts';
import type { Entry, LogMember, LogMessage, SnapshotMeta } from '../../cluster/log/types.ts';
import type { DiskWrite } from '../../cluster/ports.ts';
import { decodeMembers, isRefusal } from '../../cluster/wire.ts';
import type { Report } from './oracle.ts';

export interface MembershipOracle {
  sent(peer: PeerId, to: PeerId, message: LogMessage): void;
  wrote(peer: PeerId, write: DiskWrite): void;
  /** Entries are committed in this order. */
  committed(entry: Entry): void;
  /** A new life of the peer begins. */
  opened(peer: PeerId): void;
  /** `termAt`: of the peer's own entries. */
  after(peer: PeerId, name: string, now: LogDescription, termAt: (index: number) => number | null): void;
}

interface Config { readonly index: number; readonly members: string }

interface Known {
  term: number;
  /** Config entries that it has written since it was last looked at. */
  readonly configs: Entry[];
  readonly snapshots: SnapshotMeta[];
  /** What was compared last: the members as it holds them, and with which committed config. */
  members: readonly LogMember[] | null;
  config: Config | null;
}

export function createMembershipOracle(report: Report): MembershipOracle {
  const peers = new Map<PeerId, Known>();
  /** `peer/term` → who would elect it in that term. */
  const grants = new Map<string, Set<PeerId>>();
  /** `peer/term`: the leader asked it to stand in that term. */
  const asked = new Set<string>();
  const configs: Config[] = [];

  function known(peer: PeerId): Known {
    let found = peers.get(peer);
    if (found === undefined) {
      peers.set(peer, found = { term: 0, configs: [], snapshots: [], members: null, config: null });
    }
    return found;
  }

  function checkCandidacy(peer: PeerId, name: string, { term, voters }: LogDescription): void {
    const granted = grants.get(`${peer}/${term}`) ?? new Set();
    const willing = voters.filter((id) => id === peer || granted.has(id));
    if (asked.has(`${peer}/${term}`) || willing.length * 2 > voters.length) return;
    report('asks-first', `${name} stands for election in term ${term}, which ${willing.length} of `
      + `${voters.length} voters would have`);
  }

  /** The entry that opens a leader's term must be committed before it touches the membership. */
  function checkConfigs(
    one: Known, name: string, now: LogDescription, termAt: (index: number) => number | null,
  ): void {
    for (const { index, term } of one.configs.splice(0)) {
      if (now.role !== 'leader' || term !== now.term || termAt(now.commit) === term) continue;
      report('configs-wait', `${name} changes the membership by entry ${index} of term ${term} while it has `
        + `committed nothing of that term: ${now.commit} is of term ${termAt(now.commit)}`);
    }
  }

  function checkMembers(one: Known, name: string, now: LogDescription): void {
    // With entries that are not committed the membership in force may be one of theirs.
    if (now.lastIndex !== now.commit) return;
    const config = configAt(configs, now.commit);
    if (config === null || (now.members === one.members && config === one.config)) return;
    Object.assign(one, { members: now.members, config });
    const found = textOf(now.members);
    if (found === config.members) return;
    report('membership-is-history', `${name} at ${now.commit} has the members ${found}, but since `
      + `${config.index} they are ${config.members}`);
  }

  function checkSnapshots(one: Known, name: string): void {
    for (const { index, members } of one.snapshots.splice(0)) {
      const config = configAt(configs, index), found = textOf(members);
      if (config === null || found === config.members) continue;
      report('membership-is-history', `${name} stores a snapshot of ${index} with the members ${found}, but `
        + `since ${config.index} they are ${config.members}`);
    }
  }

  return {
    sent(peer, to, message) {
      if (message.type === 'timeout-now') asked.add(`${to}/${message.term + 1}`);
      if (message.type !== 'pre-vote-reply' || !message.granted) return;
      const key = `${to}/${message.term}`, some = grants.get(key);
      if (some === undefined) grants.set(key, new Set([peer]));
      else some.add(peer);
    },
    wrote(peer, { entries, snapshot }) {
      for (const entry of entries) if (entry.kind === 'config') known(peer).configs.push(entry);
      if (snapshot !== undefined) known(peer).snapshots.push(snapshot.meta);
    },
    committed({ kind, index, data }) {
      if (kind !== 'config') return;
      const members = decodeMembers(data);
      if (!isRefusal(members)) configs.push({ index, members: textOf(members) });
    },
    opened(peer) { peers.delete(peer); },
    after(peer, name, now, termAt) {
      const one = known(peer);
      if (now.term > one.term) {
        if (now.role === 'candidate' || now.role === 'leader') checkCandidacy(peer, name, now);
        one.term = now.term;
      }
      if (one.configs.length > 0) checkConfigs(one, name, now, termAt);
      if (one.snapshots.length > 0) checkSnapshots(one, name);
      checkMembers(one, name, now);
    },
  };
}

function configAt(configs: readonly Config[], index: number): Config | null {
  for (let at = configs.length - 1; at >= 0; at -= 1) {
    const config = configs[at];
    if (config !== undefined && config.index <= index) return config;
  }
  return null;
}

/** Who votes and who learns. */
const textOf = (members: readonly LogMember[]): string =>
  members.map(({ name, voter }) => (voter ? name : `(${name})`)).sort().join(' ');
