// `shoal recover`: whether this peer may go on without the voters that are gone. A person decides; here is
// only what speaks against it. Pure, for `admin.ts`.
//
// What always holds: nobody recovers a cluster that has a leader, or voters enough to elect one; nor through
// a peer whose log is known to be shorter than what another one that is left has applied.

import { isQuorate } from '../../cluster/log/voters.ts';
import type { LogMember } from '../../cluster/log/types.ts';
import type { PeerStatus } from './status.ts';

export type Recovery =
  | { readonly members: readonly LogMember[] }
  | { readonly obstacle: string };

/** `names`: who is left; none: all that this peer can reach, itself included. */
export function recoveryOf(
  status: PeerStatus, members: readonly LogMember[], names: readonly string[],
): Recovery {
  const { leader, name: self, lastIndex } = status;
  const live = status.members.filter(({ id, liveness }) => id === status.id || liveness !== 'dead');
  if (leader !== null) {
    const who = status.members.find(({ id }) => id === leader)?.name ?? leader;
    return { obstacle: `${who} leads: there is nothing to recover` };
  }
  const voters = status.members.filter(({ voter }) => voter);
  const reached = voters.filter((voter) => live.includes(voter));
  if (voters.length === 0) return { obstacle: 'this peer knows no voters: it is not caught up' };
  if (isQuorate(members, new Set(live.map(({ id }) => id)))) {
    return { obstacle: `${list(reached)} can be reached, voters enough to elect a leader: wait for them` };
  }
  const left = names.length === 0 ? live.map(({ name }) => name) : names;
  const unknown = left.filter((each) => !members.some(({ name }) => name === each));
  if (unknown.length > 0) return { obstacle: `no member is named ${unknown.join(', ')}` };
  if (!left.includes(self)) return { obstacle: `${self} itself must be among those that are left` };
  const ahead = live.find(({ applied }) => (applied ?? 0) > lastIndex);
  if (ahead !== undefined) {
    return {
      obstacle: `${ahead.name} has applied ${ahead.applied}, the log of ${self} ends at ${lastIndex}: `
        + `recover through ${ahead.name}`,
    };
  }
  return { members: members.filter(({ name }) => left.includes(name)) };
}

const list = (members: readonly { readonly name: string }[]): string =>
  members.map(({ name }) => name).sort().join(', ');
