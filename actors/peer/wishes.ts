// What a wish for a change of membership comes to: the next membership to propose, if it is time for one.
// Pure decisions, for `members.ts`.
//
// What always holds: no step leaves the voters without a live quorum; a peer that lost its log does not vote
// until the log has seen it as a learner; no two members have one name.

import type { Index, PeerId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { isQuorate, successor } from '../../cluster/log/voters.ts';
import type { CaughtUp } from '../../cluster/log/voters.ts';
import type { LogMember } from '../../cluster/log/types.ts';

/** `asOf`: what whoever wishes had applied. */
export type Wish =
  /** `renews`: a member itself says where it is now; else somebody without a log knocks at a door. */
  | { readonly kind: 'admit'; readonly member: LogMember; readonly renews: boolean; readonly asOf: Index }
  | { readonly kind: 'remove'; readonly peer: PeerId; readonly asOf: Index };

export const wishOf = (wish: Wish): PeerId => wish.kind === 'admit' ? wish.member.id : wish.peer;

/** Whether the membership is as wished, or will never be. */
export function isGranted(members: readonly LogMember[], wish: Wish): boolean {
  const known = members.find(({ id }) => id === wishOf(wish));
  if (wish.kind === 'remove') return known === undefined || members.length === 1;
  const { name, addresses } = wish.member;
  if (members.some((each) => each.name === name && each !== known)) return true;
  if (known === undefined) return wish.renews || members.length >= limits.membersMax;
  if (known.voter && !wish.renews) return false;
  return known.name === name && known.addresses.join() === addresses.join();
}

/**
 * On the leader `self`: the membership that brings the wish on; `done` where it is granted; `transfer` where
 * another must lead first; `wait` where it can't be granted just now.
 */
export function granted(
  members: readonly LogMember[], wish: Wish, self: PeerId, live: ReadonlySet<PeerId>, caughtUp: CaughtUp,
): readonly LogMember[] | 'done' | 'transfer' | 'wait' {
  if (isGranted(members, wish)) return 'done';
  const peer = wishOf(wish), known = members.find(({ id }) => id === peer);
  if (wish.kind === 'remove') return withoutMember(members, peer, self, live, caughtUp);
  const { name, addresses } = wish.member;
  if (known === undefined) return [...members, { ...wish.member, voter: false }];
  const next = members.map((each) =>
    each.id === peer ? { ...each, name, addresses, voter: wish.renews && each.voter } : each);
  return isQuorate(next, live) ? next : 'wait';
}

function withoutMember(
  members: readonly LogMember[], peer: PeerId, self: PeerId, live: ReadonlySet<PeerId>, caughtUp: CaughtUp,
): readonly LogMember[] | 'transfer' | 'wait' {
  const others = members.filter(({ id }) => id !== peer);
  if (isQuorate(others, live)) return peer === self ? 'transfer' : others;
  // The only voter is to go: somebody must be able to vote in its place.
  const heir = peer === self && !others.some(({ voter }) => voter) ? successor(others, live, caughtUp) : null;
  return heir === null ? 'wait'
    : members.map((each) => (each.id === heir.id ? { ...each, voter: true } : each));
}

/** Why this member can't be taken out as things are; null if it can. */
export function obstacle(
  members: readonly LogMember[], peer: PeerId, live: ReadonlySet<PeerId>,
): string | null {
  const others = members.filter(({ id }) => id !== peer);
  const learners = others.filter(({ id, voter }) => !voter && live.has(id));
  if (others.length === 0) {
    return 'it is the last member; stop it and remove its directory instead';
  }
  if (isQuorate(others, live) || learners.length > 0) return null;
  const lost = others.filter(({ id, voter }) => voter && !live.has(id)).map(({ name }) => name).sort();
  return `without it there would be no quorum, for these voters are out of reach: ${lost.join(', ')}; `
    + 'bring them back, or take them out first';
}
