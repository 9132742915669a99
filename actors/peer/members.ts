// Who is in the cluster: lets joiners in through the door, asks the leader to admit them, and, on the leader,
// keeps the voters as many and as alive as they should be.
//
// What always holds: membership changes only through the log, one at a time; what could not be proposed now
// is looked at again at the next change or within a second.

import { unreachable } from '../../cluster/assert.ts';
import type { PeerId } from '../../cluster/ids.ts';
import { createDoor, stepDoor, tokenFromSecret } from '../../cluster/join.ts';
import type { DoorEffect, DoorEvent, JoinToken } from '../../cluster/join.ts';
import { objectKey } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { nextChange } from '../../cluster/log/voters.ts';
import type { LogMember } from '../../cluster/log/types.ts';
import type { JoinMessage, PeerMessage } from '../../cluster/messages.ts';
import { resources } from '../../cluster/api/objects.ts';
import type { Secret } from '../../cluster/api/types.ts';
import { get } from '../../cluster/state/query.ts';
import type { Consensus, RoleView } from './consensus.ts';
import type { Core } from './core.ts';
import type { Spread } from './spread.ts';

export interface Members {
  /** The membership in force changed. */
  changed(members: readonly LogMember[], committed: boolean): void;
  role(view: RoleView): void;
  /** Gossip changed its mind about someone. */
  liveness(): void;
  joinMessage(from: PeerId, message: JoinMessage): void;
  /** `admit` and `remove` from other members. */
  message(message: Extract<PeerMessage, { kind: 'admit' | 'remove' }>): void;
  /** Takes a member (perhaps this peer) out; tried until the log says it is gone. */
  remove(peer: PeerId): void;
  /** Members by the log, the newest known. */
  list(): readonly LogMember[];
}

export interface MemberHooks {
  readonly clusterId: () => string;
  send(to: PeerId, message: PeerMessage): void;
  sendJoin(to: PeerId, message: JoinMessage): void;
}

/** What is wished of the leader, by peer, until the log shows it: bounded by the members there may be. */
type Wish = { readonly kind: 'admit'; readonly member: LogMember }
  | { readonly kind: 'remove'; readonly peer: PeerId };

const reviewMs = 1_000;

export function createMembers(core: Core, consensus: Consensus, spread: Spread, hooks: MemberHooks): Members {
  const door = createDoor({ self: core.self, findToken: (id) => findToken(core, id) });
  const wishes = new Map<PeerId, Wish>();
  let members: readonly LogMember[] = [];
  let committed = true;
  let view: RoleView | null = null;

  const leads = (): boolean => view?.role === 'leader' && view.ready;

  /** On the leader: proposes the next step, if there is one and none is under way. */
  function review(): void {
    if (!leads() || !committed) return;
    for (const wish of [...wishes.values()]) {
      const next = granted(members, wish, core.self);
      if (next === 'done') wishes.delete(wishOf(wish));
      else if (next === 'transfer') return consensus.feed({ type: 'transfer' });
      else return consensus.feed({ type: 'propose-config', members: next });
    }
    const live = new Set(spread.live());
    const caughtUp = new Map(members.map(({ id }) => [id, spread.appliedOf(id)] as const));
    const next = nextChange(members, live, caughtUp, core.self);
    if (next !== null) consensus.feed({ type: 'propose-config', members: next });
  }

  function tick(): void {
    settle();
    if (leads()) review();
    else for (const wish of wishes.values()) tellLeader(wish);
    core.arm('members/review', reviewMs, tick);
  }

  function tellLeader(wish: Wish): void {
    if (view !== null && view.leader !== null && view.leader !== core.self) hooks.send(view.leader, wish);
  }

  function wishFor(wish: Wish): void {
    if (wishes.size >= limits.membersMax && !wishes.has(wishOf(wish))) return;
    wishes.set(wishOf(wish), wish);
    settle();
    if (leads()) review();
    else if (wishes.has(wishOf(wish))) tellLeader(wish);
  }

  /** Wishes that the log has granted are over; the door tells its guests. */
  function settle(): void {
    if (!committed) return;
    for (const wish of [...wishes.values()]) {
      if (granted(members, wish, core.self) !== 'done') continue;
      wishes.delete(wishOf(wish));
      if (wish.kind !== 'admit' || view === null) continue;
      openDoor({ type: 'admitted', peer: wish.member.id, clusterId: hooks.clusterId(), term: view.term,
        members });
    }
  }

  function openDoor(event: DoorEvent): void {
    for (const effect of stepDoor(door, event, core.now(), core.ports.clock.wallMs(),
      core.random)) carryOut(effect);
  }

  function carryOut(effect: DoorEffect): void {
    switch (effect.type) {
      case 'send': return hooks.sendJoin(effect.to, effect.message);
      case 'admit': {
        const taken = members.find(({ name, id }) => name === effect.name && id !== effect.peer);
        if (taken !== undefined) {
          return openDoor({
            type: 'refuse', peer: effect.peer, retry: false,
            reason: `the node name "${effect.name}" is taken by another member; choose one with --name, `
              + `or take that member out first: shoal leave ${effect.name}`,
          });
        }
        if (view === null || view.leader === null) {
          return openDoor({ type: 'refuse', peer: effect.peer, retry: true,
            reason: 'no leader just now; try again' });
        }
        const member = { id: effect.peer, name: effect.name, addresses: effect.addresses, voter: false };
        return wishFor({ kind: 'admit', member });
      }
      default: return unreachable(effect);
    }
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
    joinMessage: (from, message) => openDoor({ type: 'message', from, message }),
    message: (message) => wishFor(message.kind === 'admit'
      ? { kind: 'admit', member: { ...message.member, voter: false } }
        : { kind: 'remove', peer: message.peer }),
    remove: (peer) => wishFor({ kind: 'remove', peer }),
    list: () => members,
  };
}

const wishOf = (wish: Wish): PeerId => wish.kind === 'admit' ? wish.member.id : wish.peer;

/**
 * The membership that grants a wish; `done` if it is granted; `transfer` if this leader must step aside
 * first.
 */
function granted(members: readonly LogMember[], wish: Wish,
  self: PeerId): readonly LogMember[] | 'done' | 'transfer' {
  const known = members.find(({ id }) => id === wishOf(wish));
  if (wish.kind === 'remove') {
    if (known === undefined) return 'done';
    if (known.id === self && members.some(({ id, voter }) => voter && id !== self)) return 'transfer';
    return members.length === 1 ? 'done' : members.filter(({ id }) => id !== known.id);
  }
  const { name, addresses } = wish.member;
  if (known === undefined) return members.length < limits.membersMax ? [...members, wish.member] : 'done';
  const same = known.name === name && known.addresses.join() === addresses.join();
  return same ? 'done' : members.map((each) => each.id === known.id ? { ...each, name, addresses } : each);
}

function findToken(core: Core, id: string): JoinToken | null {
  const secret = get<Secret>(core.state, objectKey(resources.secrets, 'kube-system',
    `bootstrap-token-${id}`));
  return secret === null ? null : tokenFromSecret(secret);
}
