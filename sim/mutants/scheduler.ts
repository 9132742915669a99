// Mutants of the scheduler, and of the fence that a deposed leader's bindings meet.

import type { Mutant } from './mutant.ts';

const full = { classes: ['crash', 'power', 'partition', 'slow-disk'] } as const;

export const schedulerMutants: readonly Mutant[] = [
  {
    name: 'assumed-pod-forgotten', area: 'scheduler', oracle: 'no-over-commit',
    what: 'a pod is counted on its node again only when its binding is seen: until then its place is free',
    edits: [{
      file: 'actors/scheduler/machine.ts', find: '    context.inFlight += bindings.length;',
      replace: `    context.inFlight += bindings.length;
    for (const { key } of bindings) forgetPod(view, key as ObjectKey);`,
    }],
    draw: full,
  },
  {
    name: 'terminating-pod-freed', area: 'scheduler', oracle: 'no-over-commit',
    what: 'what a pod asks for is given away while it is still on its way out',
    edits: [{
      file: 'actors/scheduler/view.ts', find: '  if (isEnded(pod)) {',
      replace: '  if (isEnded(pod) || pod.metadata.deletionTimestamp !== undefined) {',
    }],
    draw: full,
  },
  {
    name: 'deposed-binding-accepted', area: 'scheduler', oracle: 'one-writer-per-fence',
    what: 'what a leader of an older term wants is written in a later term',
    edits: [{
      file: 'cluster/state/apply.ts', find: 'command.fence !== undefined && command.fence !== entry.term',
      replace: 'command.fence !== undefined && command.fence > entry.term',
    }],
    // A leader that leaves gives its place away while its commands are on their way.
    draw: { peers: 5, classes: ['leave', 'replace', 'crash', 'slow-disk'], chaosOnly: true },
  },
  {
    name: 'slot-bound-twice', area: 'scheduler', oracle: 'no-over-commit',
    what: 'a new leader\'s cache does not count the pods that were there before: two get one place',
    edits: [{
      file: 'actors/scheduler/view.ts',
      find: 'for (const pod of list<Pod>(state, resources.pods)) seePod(view,',
      replace: 'for (const pod of list<Pod>(state, resources.pods).slice(0, 0)) seePod(view,',
    }],
    draw: full,
  },
];
