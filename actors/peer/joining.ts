// The joiner's side: dials a door, proves that it knows the token, waits to be admitted, and tries again when
// there is no leader just then.

import { unreachable } from '../../cluster/assert.ts';
import type { Index, PeerId, Term } from '../../cluster/ids.ts';
import { createJoiner, createNonce, stepJoiner } from '../../cluster/join.ts';
import type { Joiner, JoinerEffect, JoinerEvent } from '../../cluster/join.ts';
import type { LogMember } from '../../cluster/log/types.ts';
import type { JoinMessage } from '../../cluster/messages.ts';
import type { Core } from './core.ts';

export interface Joining {
  start(): void;
  dialled(address: string, peer: PeerId | null, error: string | null): void;
  disconnected(peer: PeerId): void;
  /** True: the message was for the joiner. */
  message(from: PeerId, message: JoinMessage): boolean;
  stop(): void;
}

export interface JoiningHooks {
  sendJoin(to: PeerId, message: JoinMessage): void;
  /** The log has taken this peer in: as of `index` at the latest, in `term`. */
  admitted(members: readonly LogMember[], term: Term, index: Index): void;
  /** Nothing that trying again would mend. */
  failed(reason: string): void;
}

const retryMs = 1_000, dialAnswerMs = 15_000;

export function createJoining(core: Core, hooks: JoiningHooks): Joining {
  const { join } = core.config;
  let joiner: Joiner | null = null, over = false;

  function start(): void {
    if (over || join === null) return;
    joiner = null;
    core.arm('join/retry', dialAnswerMs, start);
    core.ports.network.dial(join.address);
  }

  function again(reason: string): void {
    core.trace('join', 'again', { reason });
    joiner = null;
    core.arm('join/retry', retryMs, start);
  }

  function finish(): void {
    over = true;
    joiner = null;
    core.disarm('join/retry');
    core.disarm('join/answer');
  }

  function feed(event: JoinerEvent): void {
    if (joiner === null) return;
    for (const effect of stepJoiner(joiner, event)) carryOut(effect);
  }

  function carryOut(effect: JoinerEffect): void {
    switch (effect.type) {
      case 'send': return hooks.sendJoin(effect.to, effect.message);
      case 'arm': return core.arm('join/answer', effect.ms, () => feed({ type: 'timer' }));
      case 'disarm': return core.disarm('join/answer');
      case 'admitted':
        finish();
        return hooks.admitted(effect.members, effect.term, effect.index);
      case 'failed':
        if (effect.retry) return again(effect.reason);
        finish();
        return hooks.failed(effect.reason);
      default: return unreachable(effect);
    }
  }

  return {
    start,
    dialled(address, peer, error) {
      if (over || join === null || address !== join.address) return;
      if (peer === null) return again(error ?? 'no answer');
      core.disarm('join/retry');
      joiner = createJoiner({
        self: core.self, name: core.config.name, addresses: core.ports.network.addresses(), token: join.token,
        nonce: createNonce(core.random),
      });
      feed({ type: 'connected', door: peer });
    },
    disconnected: (peer) => feed({ type: 'disconnected', peer }),
    message(from, message) {
      if (over || joiner === null || from !== joiner.door) return false;
      feed({ type: 'message', from, message });
      return true;
    },
    stop: finish,
  };
}
