// The oracle of leases: who says that it may answer reads by itself must be right about it. It is asked after
// every event, so no client has to read at the very moment in which the answer would be wrong.

import type { LogDescription } from '../../cluster/log/log.ts';
import type { Report } from './oracle.ts';

export interface LeaseOracle { after(name: string, now: LogDescription): void }

export function createLeaseOracle(report: Report): LeaseOracle {
  /** The highest term in which anybody has led. */
  let newest = { term: 0, name: '' };
  return {
    after(name, { role, term, lease }) {
      if (role !== 'leader') return;
      if (term > newest.term) newest = { term, name };
      if (!lease || newest.term === term) return;
      report('lease-is-exclusive', `${name} holds a lease in term ${term}, but ${newest.name} leads in term `
        + `${newest.term} already`);
    },
  };
}
