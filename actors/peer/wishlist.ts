// The wishes of one peer, its own and, on the leader, those that others have told it.
//
// What always holds: a wish is for the member as it was when the wish was made: one that was let in or taken
// out since, in an entry later than the wish knew, is not touched by it; a wish that nobody repeats is
// dropped.

import type { Index, PeerId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { LogMember } from '../../cluster/log/types.ts';
import type { Core } from './core.ts';
import { wishOf } from './wishes.ts';
import type { Wish } from './wishes.ts';

export interface Wishlist {
  /** One wish a peer, the newest. */
  add(wish: Wish): void;
  /** Those that still count. */
  current(): readonly Wish[];
  drop(wish: Wish): void;
  /** The membership as of the entry at `at`, which is committed. */
  committed(members: readonly LogMember[], at: Index): void;
  /** A snapshot came: what was let in or taken out before it is not known. */
  replaced(members: readonly LogMember[], at: Index): void;
}

/** Guests wait at a door no longer, and people ask again. */
const wishMs = limits.doorHandshakeMs;

export function createWishlist(core: Core, before: readonly LogMember[]): Wishlist {
  const wishes = new Map<PeerId, { readonly wish: Wish; readonly untilMs: number }>();
  /** When a peer was last let in or taken out, as far as it is remembered. */
  const movedAt = new Map<PeerId, Index>();
  let present = new Set(before.map(({ id }) => id));

  function note(peer: PeerId, at: Index): void {
    movedAt.delete(peer);
    movedAt.set(peer, at);
    const [oldest] = movedAt.keys();
    if (movedAt.size > 2 * limits.membersMax && oldest !== undefined) movedAt.delete(oldest);
  }

  function counts({ wish, untilMs }: { readonly wish: Wish; readonly untilMs: number }): boolean {
    const peer = wishOf(wish), moved = (movedAt.get(peer) ?? 0) > wish.asOf;
    // What moved as was wished is granted, not out of date.
    const against = (wish.kind === 'remove') === present.has(peer);
    return untilMs > core.now() && !(moved && against);
  }

  return {
    add(wish) {
      const peer = wishOf(wish);
      if (wishes.size >= limits.membersMax && !wishes.has(peer)) return;
      wishes.set(peer, { wish, untilMs: core.now() + wishMs });
    },
    current() {
      for (const [peer, each] of [...wishes]) if (!counts(each)) wishes.delete(peer);
      return [...wishes.values()].map(({ wish }) => wish);
    },
    drop(wish) { wishes.delete(wishOf(wish)); },
    committed(members, at) {
      const next = new Set(members.map(({ id }) => id));
      for (const id of next) if (!present.has(id)) note(id, at);
      for (const id of present) if (!next.has(id)) note(id, at);
      present = next;
    },
    replaced(members, at) {
      const next = new Set(members.map(({ id }) => id));
      for (const id of new Set([...present, ...next])) note(id, at);
      present = next;
    },
  };
}
