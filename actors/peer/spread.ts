// The gossip plane of a peer: who is alive and how they are, the commit feed, and the repair of what was
// missed.
//
// What always holds: nothing here decides anything; what is learned goes to the log, which takes it only
// where it fits; the feed is published only while somebody needs it, which is while there are learners, or
// members that were just taken out.

import { unreachable } from '../../cluster/assert.ts';
import { index } from '../../cluster/ids.ts';
import type { Index, PeerId } from '../../cluster/ids.ts';
import { createPublisher, createReceiver, publisherStep, receiverStep } from '../../cluster/gossip/feed.ts';
import {
  beatOf, createMembership, liveMembers, livenessOf, step as membershipStep,
} from '../../cluster/gossip/membership.ts';
import { createRepair, repairStep } from '../../cluster/gossip/repair.ts';
import type {
  Beat, FeedBatch, GossipEffect, GossipEvent, GossipMessage, Liveness, PublisherEvent, ReceiverEvent,
  RepairEvent, RepairMessage, RepairView,
} from '../../cluster/gossip/types.ts';
import { limits } from '../../cluster/limits.ts';
import type { Entry, LogEvent, LogMember } from '../../cluster/log/types.ts';
import type { PeerMessage } from '../../cluster/messages.ts';
import { encodeFeed } from '../../cluster/wire.ts';
import type { Consensus, RoleView } from './consensus.ts';
import type { Core } from './core.ts';

export interface Spread {
  /** The members by the log, or as a door told a newcomer. */
  members(members: readonly LogMember[]): void;
  role(view: RoleView): void;
  /** Entries were applied here. */
  committed(entries: readonly Entry[]): void;
  message(from: PeerId, message: GossipMessage | RepairMessage, kind: 'gossip' | 'repair'): void;
  feed(batch: FeedBatch): void;
  liveness(peer: PeerId): { readonly status: Liveness; readonly beat: Beat | null };
  live(): readonly PeerId[];
  appliedOf(peer: PeerId): Index;
  start(): void;
  /** What this peer can say of itself changed: it says so at once, to the leader too. */
  beatNow(): void;
  /** Pings a member outside of its turn: if it lives, `heard` comes soon. */
  ask(peer: PeerId): void;
}

export interface SpreadHooks {
  send(to: PeerId, message: PeerMessage): void;
  liveness(peer: PeerId, status: Liveness): void;
  /** A member itself has just spoken. */
  heard(peer: PeerId): void;
  /** A newer beat of a member was heard; `first`: none of its run had been. */
  beat(peer: PeerId, first: boolean): void;
  /** Where a member says that it can be reached. */
  addresses(peer: PeerId, addresses: readonly string[]): void;
  self(): { readonly ready: boolean; readonly reason: string; readonly cpuMilli: number;
    readonly memoryBytes: number };
  diverged(from: PeerId, at: Index): void;
  /** Somebody was taken out and may not know it yet. */
  departing(): boolean;
}

export function createSpread(core: Core, consensus: Consensus, hooks: SpreadHooks): Spread {
  const membership = createMembership({ self: core.self, incarnation: core.incarnation }, core.random);
  const publisher = createPublisher(core.self), receiver = createReceiver();
  const repair = createRepair(core.self, core.random);
  let view: RoleView | null = null, members: readonly LogMember[] = [];
  let publishing = false, beatDueMs = 0;
  /** What the leader was told of this peer directly, and which leader. */
  let toldLeader = '';

  const appliedOf = (peer: PeerId): Index =>
    peer === core.self ? index(core.state.revision) : beatOf(membership, peer)?.applied ?? index(0);

  /** What is learned may be applied at once, which comes back here: so not in the middle of a step. */
  const learn = (event: LogEvent): void => core.defer(() => consensus.feed(event));

  // ── liveness and beats ─────────────────────────────────────────────────────────────────────────────────

  function gossip(event: GossipEvent): void {
    for (const effect of membershipStep(membership, event, core.now())) carryOut(effect);
  }

  function carryOut(effect: GossipEffect): void {
    switch (effect.type) {
      case 'send': return hooks.send(effect.to, { kind: 'gossip', message: effect.message });
      case 'arm': {
        const { timer } = effect;
        return core.arm(`gossip/${timer}`, effect.ms, () => gossip({ type: 'timer', timer }));
      }
      case 'disarm': return core.disarm(`gossip/${effect.timer}`);
      case 'liveness':
        core.trace('gossip', 'liveness', { peer: effect.peer, status: effect.status });
        hooks.liveness(effect.peer, effect.status);
        return look();
      case 'beat': {
        const { peer, addresses, applied } = effect.beat;
        hooks.addresses(peer, addresses);
        hooks.beat(peer, effect.first);
        // Beats are what a large cluster hears most of: one that is not ahead leaves nothing to be mended.
        return applied > core.state.revision ? look() : undefined;
      }
      case 'incarnation': return core.ports.disk.saveFact('incarnation', String(effect.incarnation));
      default: return unreachable(effect);
    }
  }

  function hear(from: PeerId, message: GossipMessage): void {
    gossip({ type: 'message', from, message });
    hooks.heard(from);
  }

  /** How late this very timer is tells how busy the peer's loop is. `atOnce`: what it tells is news. */
  function beat(atOnce = false): void {
    const late = Math.max(0, core.now() - beatDueMs);
    const { ready, reason, cpuMilli, memoryBytes } = hooks.self();
    const addresses = core.ports.network.addresses();
    // Of a thousand members' beats it takes a while until one has come round to a given member, and the
    // leader writes the Nodes' conditions.
    const leader = view?.leader ?? null, word = JSON.stringify([leader, ready, reason, addresses]);
    const isNews = leader !== null && leader !== core.self && (atOnce || word !== toldLeader);
    if (isNews) toldLeader = word;
    gossip({
      type: 'self', ...isNews ? { to: leader } : {},
      beat: {
        applied: index(Math.min(core.state.revision, consensus.durable())),
        freeCpuMilli: cpuMilli, freeMemoryBytes: memoryBytes,
        pressure: Math.min(1000, Math.floor(late)), ready, reason, addresses,
      },
    });
    beatDueMs = core.now() + limits.beatIntervalMs;
    core.arm('beat', limits.beatIntervalMs, () => beat());
  }

  // ── commit feed ────────────────────────────────────────────────────────────────────────────────────────

  function publish(event: PublisherEvent): void {
    for (const effect of publisherStep(publisher, event)) {
      switch (effect.type) {
        case 'publish': core.ports.network.publish(encodeFeed(effect.batch)); break;
        case 'arm': core.arm('feed', effect.ms, () => publish({ type: 'timer' })); break;
        case 'disarm': core.disarm('feed'); break;
        default: unreachable(effect);
      }
    }
  }

  function reviewPublishing(): void {
    const wanted = view !== null && view.role === 'leader' && view.ready
      && (hooks.departing() || members.some(({ voter }) => !voter));
    if (wanted === publishing) return;
    publishing = wanted;
    if (!wanted || view === null) return publish({ type: 'stop' });
    publish({ type: 'lead', term: view.term, last: index(core.state.revision), lastTerm: core.state.term });
  }

  function receive(event: ReceiverEvent): void {
    for (const effect of receiverStep(receiver, event, logView, core.now())) {
      switch (effect.type) {
        case 'learned': learn({ type: 'learned', entries: effect.entries, prevTerm: effect.prevTerm }); break;
        case 'leader-known': learn(effect); break;
        case 'seen': mend(effect); break;
        case 'diverged': hooks.diverged(effect.from, effect.index); break;
        default: unreachable(effect);
      }
    }
  }

  // ── repair ─────────────────────────────────────────────────────────────────────────────────────────────

  const termAt = (at: Index): RepairView['term'] | null =>
    at === index(core.state.revision) ? core.state.term : consensus.termAt(at);
  const logView = { get applied() { return index(core.state.revision); }, termAt };

  function repairView(): RepairView {
    return {
      applied: index(core.state.revision), termAt,
      // A voter that knows a leader is looked after by it; by its role, for its membership may be an old one.
      active: view === null || view.role === 'learner' || (view.role !== 'leader' && view.leader === null),
      term: view?.term ?? core.state.term, leader: view?.leader ?? null, appliedOf,
      get live() { return liveMembers(membership); },
      entriesFrom: (first, bytesMax) => consensus.entriesFrom(first, bytesMax),
      snapshotNow: () => consensus.snapshotNow(),
    };
  }

  function mend(event: RepairEvent): void {
    for (const effect of repairStep(repair, event, repairView(), core.now())) {
      switch (effect.type) {
        case 'send': hooks.send(effect.to, { kind: 'repair', message: effect.message }); break;
        case 'arm': {
          const { timer } = effect;
          core.arm(`repair/${timer}`, effect.ms, () => mend({ type: 'timer', timer }));
          break;
        }
        case 'disarm': core.disarm(`repair/${effect.timer}`); break;
        case 'learned': learn({ type: 'learned', entries: effect.entries, prevTerm: effect.prevTerm }); break;
        case 'learned-snapshot': learn(effect); break;
        case 'diverged': hooks.diverged(effect.from, effect.index); break;
        default: unreachable(effect);
      }
    }
  }

  function look(): void { mend({ type: 'look' }); }

  return {
    members(next) {
      members = next;
      gossip({ type: 'members', members: next.map(({ id }) => id) });
      reviewPublishing();
      look();
    },
    role(next) {
      view = next;
      reviewPublishing();
      look();
    },
    committed(entries) {
      if (publishing) publish({ type: 'committed', entries });
      receive({ type: 'progress' });
      look();
    },
    message(from, message, kind) {
      if (kind === 'gossip') hear(from, message as GossipMessage);
      else mend({ type: 'message', from, message: message as RepairMessage });
    },
    feed: (batch) => receive({ type: 'batch', batch }),
    liveness: (peer) => ({ status: livenessOf(membership, peer), beat: beatOf(membership, peer) }),
    live: () => liveMembers(membership),
    appliedOf,
    start() {
      beatDueMs = core.now();
      beat();
    },
    beatNow: () => beat(true),
    ask: (peer) => gossip({ type: 'ask', peer }),
  };
}
