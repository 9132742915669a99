// Figures of nodes for those who ask this peer (kubectl top, autoscalers): each is had from the peer whose
// machine it is, and kept here for as long as it is fresh. Nothing of it goes through the log, and nothing is
// sent while nobody asks.
//
// What always holds: a peer is asked once at a time, however many wait for it; whoever asks is answered once,
// within `limits.usageAskMs`, with what has come by then; one figure per member is kept at most.

import type { PeerId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { PeerMessage } from '../../cluster/messages.ts';
import type { NodeUsage, UsageFound, UsageWanted } from '../../cluster/usage.ts';
import type { UsageDone } from '../kubelet/usage.ts';
import type { Core } from './core.ts';
import { peerOf } from './streams.ts';

export type UsageMessage = Extract<PeerMessage, { kind: `usage-${string}` }>;

export interface Usages {
  find(wanted: UsageWanted, done: (found: UsageFound) => void): void;
  message(from: PeerId, message: UsageMessage): void;
  disconnected(peer: PeerId): void;
}

export interface UsageHooks {
  send(to: PeerId, message: PeerMessage): void;
  /** Of this machine. */
  measure(done: UsageDone): void;
  /** Whether it can be expected to answer. */
  lives(peer: PeerId): boolean;
}

interface Asked { readonly id: number; readonly pods: boolean; readonly waiting: UsageDone[] }
interface Kept { readonly usage: NodeUsage; readonly pods: boolean; readonly atMs: number }

export function createUsages(core: Core, hooks: UsageHooks): Usages {
  const asked = new Map<PeerId, Asked>(), kept = new Map<PeerId, Kept>();
  let last = 0;

  function find({ nodes, pods }: UsageWanted, done: (found: UsageFound) => void): void {
    const found = new Map<string, NodeUsage>();
    let open = nodes.length;
    if (open === 0) return core.defer(() => done(found));
    const settle = (node: string, usage: NodeUsage | null): void => {
      if (usage !== null) found.set(node, usage);
      open -= 1;
      if (open === 0) core.defer(() => done(found));
    };
    for (const node of nodes) ofNode(node, pods, (usage) => settle(node, usage));
  }

  function ofNode(node: string, pods: boolean, done: UsageDone): void {
    if (node === core.config.name) return hooks.measure(done);
    const peer = peerOf(core, node);
    if (peer === null || !hooks.lives(peer)) return done(null);
    const fresh = kept.get(peer), open = asked.get(peer);
    const isFresh = fresh !== undefined && core.now() - fresh.atMs < limits.usageWindowMs;
    if (isFresh && (fresh.pods || !pods)) return done(fresh.usage);
    if (open !== undefined && (open.pods || !pods)) {
      if (open.waiting.length >= limits.usageWaitersMax) return done(null);
      open.waiting.push(done);
      return;
    }
    // Whoever waits for less is served by the answer that has more.
    ask(peer, pods, [...open?.waiting ?? [], done]);
  }

  function ask(peer: PeerId, pods: boolean, waiting: UsageDone[]): void {
    last += 1;
    asked.set(peer, { id: last, pods, waiting });
    core.arm(`usage/${peer}`, limits.usageAskMs, () => answered(peer, null));
    hooks.send(peer, { kind: 'usage-ask', id: last, pods });
  }

  function answered(peer: PeerId, usage: NodeUsage | null): void {
    const open = asked.get(peer);
    if (open === undefined) return;
    asked.delete(peer);
    core.disarm(`usage/${peer}`);
    if (usage !== null) keep(peer, { usage, pods: open.pods, atMs: core.now() });
    for (const done of open.waiting) done(usage);
  }

  function keep(peer: PeerId, figure: Kept): void {
    kept.set(peer, figure);
    core.arm('usage/forget', limits.usageWindowMs, forget);
  }

  function forget(): void {
    for (const [peer, { atMs }] of kept) {
      if (core.now() - atMs >= limits.usageWindowMs) kept.delete(peer);
    }
    if (kept.size > 0) core.arm('usage/forget', limits.usageWindowMs, forget);
  }

  return {
    find,
    message(from, message) {
      if (message.kind === 'usage-ask') {
        const { id, pods } = message;
        return hooks.measure((usage) => hooks.send(from, {
          kind: 'usage-reply', id, usage: usage === null || pods ? usage : { ...usage, pods: [] },
        }));
      }
      if (asked.get(from)?.id === message.id) answered(from, message.usage);
    },
    disconnected: (peer) => answered(peer, null),
  };
}
