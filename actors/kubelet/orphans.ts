// Removes from this machine what no live pod owns: sandboxes and containers of pods that the state does not
// have (any more), or whose actor has ended.
// What always holds: what a pod of the state owns is never touched; one sweep per pod is under way at most; a
// sweep that fails is begun again by the next list.

import type { ContainerFact, RuntimeCall, SandboxFact } from '../../cluster/ports.ts';
import type { PeerServices } from '../services.ts';

export interface Sweeper {
  /** `owns`: does a live pod have this uid? */
  sweep(
    sandboxes: readonly SandboxFact[], containers: readonly ContainerFact[], owns: (uid: string) => boolean,
  ): void;
}

/** A program without an owner gets as long as a forced deletion gives it. */
const graceMs = 1_000;

export function createSweeper(services: PeerServices): Sweeper {
  const underWay = new Set<string>();

  /** Makes all the calls at once; continues when all have succeeded, gives up when one failed. */
  function callAll(uid: string, calls: readonly RuntimeCall[], then: () => void): void {
    let open = calls.length, failed = false;
    if (open === 0) then();
    for (const call of calls) {
      services.runtime(call, (result) => {
        open -= 1;
        failed ||= !result.ok;
        if (open > 0) return;
        if (failed) underWay.delete(uid);
        else then();
      });
    }
  }

  return {
    sweep(sandboxes, containers, owns) {
      const uids = [...new Set([...sandboxes, ...containers].map(({ pod }) => pod.uid))].sort();
      for (const uid of uids) {
        if (owns(uid) || underWay.has(uid)) continue;
        underWay.add(uid);
        const boxes = sandboxes.filter(({ pod }) => pod.uid === uid);
        const parts = containers.filter(({ pod }) => pod.uid === uid);
        const running = parts.filter(({ state }) => state === 'running');
        services.trace('kubelet', 'orphan', { uid, sandboxes: boxes.length, containers: parts.length });
        const stops = running.map(({ id }): RuntimeCall => ({ call: 'stop-container', id, graceMs }));
        const removals = [
          ...parts.map(({ id }): RuntimeCall => ({ call: 'remove-container', id })),
          ...boxes.map(({ id }): RuntimeCall => ({ call: 'remove-sandbox', id })),
        ];
        callAll(uid, stops, () => callAll(uid, removals, () => underWay.delete(uid)));
      }
    },
  };
}
