// Lets a controller, that of CustomResourceDefinitions first of all, do all that there is to do in a world
// that has the API alone: what the leader would do a moment later.

import type { ControllerDefinition } from '../../actors/controllers/controller.ts';
import { definitionController } from '../../actors/controllers/definition.ts';
import type { ApiWorld } from './api-world.ts';

const roundsMax = 50;

/** How many objects were changed. */
export function settle(world: ApiWorld, controller: ControllerDefinition = definitionController): number {
  let changed = 0;
  for (let round = 0; round < roundsMax; round++) {
    const before = changed;
    for (const key of controller.allKeys(world.state())) {
      const { steps } = controller.reconcile(world.state(), key, {
        nowWallMs: world.nowWallMs, newUid: () => 'uid', suffix: () => 'abcde', refusal: null,
      });
      for (const { ops } of steps) {
        const { outcome, changes } = world.write(ops);
        if (!outcome.ok) throw new Error(`the controller was refused: ${outcome.refusal.message}`);
        changed += changes.length;
      }
    }
    if (changed === before) return changed;
  }
  throw new Error('the controller does not come to rest');
}
