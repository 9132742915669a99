// The kubelet's own life: nothing before `start`; then the runtime is asked for all it has, until it answers;
// then every ten seconds, and whenever the runtime comes back, since events may have been missed.
//
//     idle → adopting ⇄ retrying
//               ↓
//            watching ⇄ listing
//
// What always holds: no pod is run before the first list, or containers of a former life would be made again.

import { setup } from 'xstate';
import { limits } from '../../cluster/limits.ts';

export type KubeletEvent =
  | { readonly type: 'start' }
  | { readonly type: 'listed' }
  | { readonly type: 'list-failed' }
  | { readonly type: 'runtime-up' };

export function createKubeletMachine(ask: () => void) {
  return setup({
    types: { events: {} as KubeletEvent },
    actions: { ask },
    delays: { retry: limits.runtimeRetryMsMin, relist: limits.relistIntervalMs },
  }).createMachine({
    id: 'kubelet',
    initial: 'idle',
    states: {
      idle: { on: { start: 'adopting' } },
      adopting: { entry: 'ask', on: { listed: 'watching', 'list-failed': 'retrying' } },
      retrying: { after: { retry: 'adopting' }, on: { 'runtime-up': 'adopting' } },
      watching: { after: { relist: 'listing' }, on: { 'runtime-up': 'listing' } },
      listing: {
        entry: 'ask',
        on: {
          listed: 'watching', 'list-failed': 'watching',
          'runtime-up': { target: 'listing', reenter: true },
        },
      },
    },
  });
}
