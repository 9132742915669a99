// Who is in the cluster: lets joiners in through the door, asks the leader to admit them, and, on the leader,
// keeps the voters as many and as alive as they should be.
//
// What always holds: membership changes only through the log, one at a time; what could not be proposed now
// is looked at again at the next change or within a second.

import { unreachable } from '../../cluster/assert.ts';
import { index } from '../../cluster/ids.ts';
import type { Index, PeerId } from '../../cluster/ids.ts';
import { createDoor, stepDoor, tokenFromSecret } from '../../cluster/join.ts';
import type { DoorEffect, DoorEvent, JoinToken } from '../../cluster/join.ts';
import { objectKey } from '../../cluster/ids.ts';
import { nextChange, votersFor } from '../../cluster/log/voters.ts';
import type { CaughtUp } from '../../cluster/log/voters.ts';
import { limits } from '../../cluster/limits.ts';
import type { LogMember } from '../../cluster/log/types.ts';
import type { JoinMessage, PeerMessage } from '../../cluster/messages.ts';
import { resources } from '../../cluster/api/objects.ts';
import type { Secret } from '../../cluster/api/types.ts';
import { get } from '../../cluster/state/query.ts';
import { answerTo } from './asking.ts';
import type { Consensus, RoleView } from './consensus.ts';
import type { Core } from './core.ts';
import type { Spread } from './spread.ts';
import { createWishlist } from './wishlist.ts';
import { granted, isGranted, wishOf } from './wishes.ts';
import type { Wish } from './wishes.ts';

export interface Members {
  /** The membership in force changed. */
  changed(members: readonly LogMember[], committed: boolean): void;
  /** Each membership that was committed, in order, with its index; `replaced`: there may have been others. */
  committed(members: readonly LogMember[], at: Index): void;
  replaced(members: readonly LogMember[], at: Index): void;
  role(view: RoleView): void;
  /** Gossip changed its mind about someone. */
  liveness(): void;
  /** A member has just spoken. */
  heard(peer: PeerId): void;
  /** A newer beat of a member was heard; `first`: none of its run had been. */
  beat(first: boolean): void;
  joinMessage(from: PeerId, message: JoinMessage): void;
  /** `admit` and `remove` from other members. */
  message(from: PeerId, message: Extract<PeerMessage, { kind: 'admit' | 'remove' }>): void;
  /** Takes a member (perhaps this peer) out; tried until the log says it is gone. */
  remove(peer: PeerId): void;
  /** Members by the log, the newest known. */
  list(): readonly LogMember[];
}

export interface MemberHooks {
  readonly clusterId: () => string;
  send(to: PeerId, message: PeerMessage): void;
  sendJoin(to: PeerId, message: JoinMessage): void;
  /** False: no leader said in time how far the state must be applied. */
  fresh(done: (fresh: boolean) => void): void;
}

const reviewMs = 1_000;
/** A successor has this long to take over before the next one is asked. */
const transferMs = 2_000;
/** Beats of its former run are over by then: it has spoken for itself, or was found to be silent. */
const restMs = 5_000;

export function createMembers(core: Core, consensus: Consensus, spread: Spread,
  before: readonly LogMember[], hooks: MemberHooks): Members {
  const door = createDoor({ self: core.self, findToken: (id) => findToken(core, id) });
  /** What is wished of the leader, until the log shows it. */
  const wishes = createWishlist(core, before);
  /** Voters that came back without a log were made learners then: their beats may be of before. */
  const restedMs = new Map<PeerId, number>();
  let transferredMs = -Infinity, confirming = 0;
  let asked: { readonly peer: PeerId; readonly sinceMs: number; answered: boolean } | null = null;
  let members: readonly LogMember[] = [];
  let committed = true;
  let view: RoleView | null = null;

  const now = (): Index => index(core.state.revision);
  const leads = (): boolean => view?.role === 'leader' && view.ready;

  /** On the leader: proposes the next step, if there is one and none is under way. */
  function review(): void {
    if (!leads() || !committed) return;
    const live = new Set(spread.live());
    const caughtUp: CaughtUp = new Map(members.map(({ id }) =>
      [id, rests(id) ? index(0) : spread.appliedOf(id)] as const));
    for (const wish of wishes.current()) {
      const next = granted(members, wish, core.self, live, caughtUp);
      if (next === 'done') wishes.drop(wish);
      else if (next === 'transfer') return transfer();
      else if (next !== 'wait') {
        const known = members.find(({ id }) => id === wishOf(wish));
        if (wish.kind === 'admit' && known?.voter === true) restedMs.set(known.id, core.now());
        return consensus.feed({ type: 'propose-config', members: next });
      }
    }
    const next = nextChange(members, live, caughtUp, core.self);
    if (next === null) return;
    const before = new Set(members.filter(({ voter }) => voter).map(({ id }) => id));
    const promoted = next.find(({ id, voter }) => voter && !before.has(id));
    if (promoted !== undefined && !speaks(promoted.id)) return;
    consensus.feed({ type: 'propose-config', members: next });
  }

  /**
   * Whether the member has just answered; if not, it is asked, and the answer brings the next look. Gossip
   * takes a while to find out that a member is gone, and once a vote is given to it every commit may need it.
   */
  function speaks(peer: PeerId): boolean {
    const answered = asked?.peer === peer && asked.answered && core.now() - asked.sinceMs < reviewMs;
    if (answered) return true;
    asked = { peer, sinceMs: core.now(), answered: false };
    spread.ask(peer);
    return false;
  }

  function rests(peer: PeerId): boolean {
    const since = restedMs.get(peer);
    if (since === undefined) return false;
    if (core.now() - since < restMs) return true;
    restedMs.delete(peer);
    return false;
  }

  /** Writes wait while it is under way: so not with every look. */
  function transfer(): void {
    if (core.now() - transferredMs < transferMs) return;
    transferredMs = core.now();
    consensus.feed({ type: 'transfer' });
  }

  function tick(): void {
    settle();
    renew();
    if (leads()) review();
    else for (const wish of wishes.current()) tellLeader(wish);
    core.arm('members/review', reviewMs, tick);
  }

  function tellLeader(wish: Wish): void {
    if (view === null || view.leader === null || view.leader === core.self) return;
    hooks.send(view.leader, wish.kind === 'remove' ? wish
      : { kind: 'admit', member: wish.member, asOf: wish.asOf });
  }

  /** The log names addresses of this peer, none of which is one any more: beats tell only who is up now. */
  function renew(): void {
    const own = members.find(({ id }) => id === core.self), addresses = core.ports.network.addresses();
    if (own === undefined || addresses.length === 0) return;
    if (own.addresses.some((address) => addresses.includes(address))) return;
    wishFor({ kind: 'admit', member: { ...own, addresses }, renews: true, asOf: now() });
  }

  function wishFor(wish: Wish): void {
    wishes.add(wish);
    settle();
    if (leads()) review();
    else if (wishes.current().includes(wish)) tellLeader(wish);
  }

  /** Wishes that the log has granted are over; the door tells its guests. */
  function settle(): void {
    if (!committed) return;
    for (const wish of wishes.current()) {
      if (!isGranted(members, wish)) continue;
      wishes.drop(wish);
      if (wish.kind !== 'admit' || view === null) continue;
      openDoor({ type: 'admitted', peer: wish.member.id, clusterId: hooks.clusterId(), term: view.term,
        index: index(core.state.revision), members });
    }
  }

  function openDoor(event: DoorEvent): void {
    for (const effect of stepDoor(door, event, core.now(), core.ports.clock.wallMs(),
      core.random)) carryOut(effect);
  }

  function carryOut(effect: DoorEffect): void {
    switch (effect.type) {
      case 'send': return hooks.sendJoin(effect.to, effect.message);
      // The token may have been made through another peer a moment ago.
      case 'confirm': {
        const { from, message } = effect;
        return whenFresh(from, () => openDoor({ type: 'message', from, message, sure: true }));
      }
      // By an older membership the guest may be a member that was taken out since.
      case 'admit': return whenFresh(effect.peer, () => admit(effect));
      default: return unreachable(effect);
    }
  }

  /** Once this peer knows all that was committed when the guest spoke. */
  function whenFresh(guest: PeerId, proceed: () => void): void {
    const later = (reason: string): void => hooks.sendJoin(guest, { type: 'refused', reason, retry: true });
    if (confirming >= limits.doorHandshakesMax) return later('too many peers are joining through this door');
    confirming += 1;
    hooks.fresh((fresh) => {
      confirming -= 1;
      if (fresh) proceed();
      else later('no leader just now; try again');
    });
  }

  function admit({ peer, name, addresses }: Extract<DoorEffect, { type: 'admit' }>): void {
    if (members.some((member) => member.name === name && member.id !== peer)) {
      return openDoor({
        type: 'refuse', peer, retry: false,
        reason: `the node name "${name}" is taken by another member; choose one with --name, `
          + `or take that member out first: shoal leave ${name}`,
      });
    }
    const member = { id: peer, name, addresses, voter: false };
    wishFor({ kind: 'admit', member, renews: false, asOf: now() });
  }

  core.arm('members/review', reviewMs, tick);
  return {
    changed(next, isCommitted) {
      members = next;
      committed = isCommitted;
      settle();
      review();
    },
    role(next) {
      view = next;
      review();
    },
    liveness: review,
    beat(first) {
      // While there are too few voters each beat may tell of one that is fit by now. Else there is no hurry.
      if (!leads()) return;
      if (first || members.filter(({ voter }) => voter).length < votersFor(members.length)) review();
    },
    heard(peer) {
      if (asked === null || asked.peer !== peer || asked.answered) return;
      asked.answered = true;
      review();
    },
    joinMessage(from, message) {
      if (message.type !== 'ask') return openDoor({ type: 'message', from, message, sure: false });
      const answer = committed ? answerTo(core, members, from, message) : null;
      if (answer !== null) hooks.sendJoin(from, answer);
    },
    message(from, message) {
      // Whoever asked asks again, and then whoever leads by then: it is not passed on.
      if (view?.leader !== core.self) return;
      if (message.kind === 'remove') return wishFor(message);
      const { member, asOf } = message;
      wishFor({ kind: 'admit', member: { ...member, voter: false }, renews: member.id === from, asOf });
    },
    remove: (peer) => wishFor({ kind: 'remove', peer, asOf: now() }),
    committed: wishes.committed, replaced: wishes.replaced,
    list: () => members,
  };
}

function findToken(core: Core, id: string): JoinToken | null {
  const secret = get<Secret>(core.state, objectKey(resources.secrets, 'kube-system',
    `bootstrap-token-${id}`));
  return secret === null ? null : tokenFromSecret(secret);
}
