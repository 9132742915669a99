// The oracle of membership changes: one at a time, and by one vote. Then any two quorums, of the membership
// before and of the one after, share a voter. Source: Ongaro's thesis, 4.1.

import type { PeerId } from '../../cluster/ids.ts';
import type { LogDescription } from '../../cluster/log/log.ts';
import type { LogRecovery } from '../../cluster/log/types.ts';
import type { DiskWrite } from '../../cluster/ports.ts';
import type { LogOracle } from './log.ts';
import type { Report } from './oracle.ts';

export interface ChangesOracle {
  opened(peer: PeerId, recovery: LogRecovery): void;
  wrote(peer: PeerId, write: DiskWrite): void;
  /** After an event: `before` are the voters before it, and its term. */
  after(peer: PeerId, log: LogDescription, before: Before): void;
}

interface Before { readonly term: number; readonly voters: readonly PeerId[] }
interface Known { readonly configs: number[]; fresh: number[] }

/** A recovery after the loss of a quorum replaces the membership at once, and begins a term far ahead. */
const recoveryTermsMin = 2 ** 19;

export function createChangesOracle(report: Report, log: LogOracle): ChangesOracle {
  const peers = new Map<PeerId, Known>();

  function known(peer: PeerId): Known {
    let found = peers.get(peer);
    if (found === undefined) peers.set(peer, found = { configs: [], fresh: [] });
    return found;
  }

  return {
    opened(peer, { entries }) {
      const configs = entries.filter(({ kind }) => kind === 'config').map(({ index }): number => index);
      peers.set(peer, { configs, fresh: [] });
    },
    wrote(peer, { truncateAfter, entries }) {
      const { configs, fresh } = known(peer);
      while (truncateAfter !== undefined && (configs.at(-1) ?? 0) > truncateAfter) configs.pop();
      for (const { kind, index } of entries) {
        if (kind !== 'config') continue;
        configs.push(index);
        fresh.push(index);
      }
    },
    after(peer, { role, term, voters, commit }, before) {
      const one = known(peer);
      if (one.fresh.length === 0) return;
      const [first = 0] = one.fresh;
      one.fresh = [];
      if (role !== 'leader' || log.termAt(peer, first) !== term) return;
      if (before.term !== 0 && term - before.term >= recoveryTermsMin) return;
      const earlier = one.configs.filter((index) => index < first).at(-1) ?? 0;
      if (earlier > commit) {
        return report('one-change-at-a-time',
          `${peer} proposes a membership at ${first}, and the one at ${earlier} is not committed`);
      }
      const changed = [...new Set([...voters, ...before.voters])]
        .filter((id) => voters.includes(id) !== before.voters.includes(id));
      if (changed.length > 1) {
        report('one-change-at-a-time', `${peer} changes the votes of ${changed.join(' and ')} at ${first}`);
      }
    },
  };
}
