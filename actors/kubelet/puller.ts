// Image pulls of the whole node: a few at a time, in the order in which they were asked for.
// What always holds: at most `imagePullsMax` are under way; whoever wants an image that is waited for already
// shares that pull; everyone who asked is answered once.

import { limits } from '../../cluster/limits.ts';
import type { PeerServices, RuntimeResult } from '../services.ts';

/** `beganMs`: when the runtime was asked. */
export type PullDone = (result: RuntimeResult, beganMs: number) => void;

export interface Puller { pull(image: string, done: PullDone): void }

interface Pull { readonly waiting: PullDone[]; beganMs: number | null }

export function createPuller(services: PeerServices): Puller {
  /** By image, in the order of their first asking. */
  const pulls = new Map<string, Pull>();

  function beginNext(): void {
    const underWay = [...pulls.values()].filter(({ beganMs }) => beganMs !== null).length;
    if (underWay >= limits.imagePullsMax) return;
    for (const [image, pull] of pulls) {
      if (pull.beganMs !== null) continue;
      pull.beganMs = services.nowMs();
      services.runtime({ call: 'pull', image }, (result) => end(image, pull, result));
      return beginNext();
    }
  }

  function end(image: string, pull: Pull, result: RuntimeResult): void {
    pulls.delete(image);
    for (const done of pull.waiting) done(result, pull.beganMs ?? services.nowMs());
    beginNext();
  }

  return {
    pull(image, done) {
      const known = pulls.get(image);
      if (known !== undefined) {
        known.waiting.push(done);
        return;
      }
      pulls.set(image, { waiting: [done], beganMs: null });
      beginNext();
    },
  };
}
