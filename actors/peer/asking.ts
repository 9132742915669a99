// A member that has been alone for long may have been taken out meanwhile: nobody lets it in to hear of it.
// So now and then it knocks at the door of one of those it knows, as a stranger would, and asks.
//
// What always holds: it believes only a member that it knows, whose state is newer than the one in which it
// is a member itself; while it asks one member, it is there for all others.

import type { Index, PeerId } from '../../cluster/ids.ts';
import { revision } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { LogMember } from '../../cluster/log/types.ts';
import type { JoinMessage } from '../../cluster/messages.ts';
import type { Core } from './core.ts';

export interface Asking {
  dialled(address: string, peer: PeerId | null): void;
  disconnected(peer: PeerId): void;
  message(from: PeerId, message: JoinMessage): void;
  /** Whom it takes for a stranger just now, to be taken for one. */
  asked(): PeerId | null;
}

export interface AskingHooks {
  /** The others, if this peer is a member, there is no leader, and none of them seems alive; else none. */
  lost(): readonly LogMember[];
  sendJoin(to: PeerId, message: JoinMessage): void;
  /** Up to where this peer knows that it is a member. */
  knownTo(): Index;
  /** `asked` is another now. */
  changed(): void;
  /** This peer is no member any more. */
  removed(): void;
}

export function createAsking(core: Core, hooks: AskingHooks): Asking {
  let turn = 0, asked: { readonly id: PeerId; readonly address: string } | null = null;

  function next(): void {
    core.arm('asking', limits.askIntervalMs, next);
    const others = hooks.lost(), other = others[turn % Math.max(1, others.length)];
    const address = other?.addresses[0];
    if (other === undefined || address === undefined) return;
    turn += 1;
    asked = { id: other.id, address };
    hooks.changed();
    core.arm('asking/over', limits.askTimeoutMs, over);
    core.ports.network.dial(address);
  }

  function over(): void {
    if (asked === null) return;
    asked = null;
    core.disarm('asking/over');
    hooks.changed();
  }

  core.arm('asking', limits.askIntervalMs, next);
  return {
    dialled(address, peer) {
      if (asked === null || address !== asked.address) return;
      if (peer !== asked.id) return over();
      hooks.sendJoin(peer, { type: 'ask', revision: revision(hooks.knownTo()) });
    },
    disconnected(peer) { if (peer === asked?.id) over(); },
    message(from, message) {
      if (from !== asked?.id) return;
      over();
      if (message.type === 'stranger') hooks.removed();
    },
    asked: () => asked?.id ?? null,
  };
}

/** What a member says to somebody who asks; null: nothing that it could know better. */
export function answerTo(core: Core, members: readonly LogMember[], from: PeerId,
  message: Extract<JoinMessage, { type: 'ask' }>): JoinMessage | null {
  if (members.some(({ id }) => id === from)) return { type: 'refused', reason: 'a member', retry: true };
  const newer = members.length > 0 && core.state.revision > revision(message.revision);
  return newer ? { type: 'stranger' } : null;
}
