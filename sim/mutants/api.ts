// Mutants of the API, and of what watches and followers are shown.

import type { Mutant } from './mutant.ts';

export const apiMutants: readonly Mutant[] = [
  {
    name: 'compare-then-write', area: 'api', oracle: 'compare-and-swap',
    what: 'an update compares revisions when it is read and writes later: two steps, with others between',
    edits: [{
      file: 'cluster/api/write.ts',
      find: "const op: Op = { op: 'update', key, object: stored, expect: expectSame(old) };",
      replace: "const op: Op = { op: 'update', key, object: stored };",
    }],
    draw: { classes: ['slow-disk', 'links', 'crash', 'partition'] },
  },
  {
    name: 'status-overwrites-spec', area: 'api', oracle: 'status-keeps-spec',
    what: 'an update of the status takes over the spec that its writer had seen',
    edits: [{
      file: 'cluster/api/update.ts', find: 'const prepared = below ? prepareBelow(filled, old, by)',
      replace: 'const prepared = below ? filled',
    }],
  },
  {
    name: 'watch-goes-back', area: 'api', oracle: 'watch-is-history',
    what: 'a watch that is taken up again on a peer that is behind shows the past once more',
    edits: [{
      file: 'cluster/api/handle.ts', find: 'return Number.isSafeInteger(known) && known >= 0',
      replace: 'return Number.isSafeInteger(known) && known >= 0 && !isWatch(query)',
    }],
    draw: { peers: 5, classes: ['partition', 'crash', 'clog', 'links', 'pause'] },
  },
  {
    name: 'event-dropped', area: 'api', oracle: 'watch-is-history',
    what: 'a watch with much to tell at once drops some of it',
    edits: [{
      file: 'actors/peer/watches.ts', find: '    group.outgoing += text;',
      replace: '    if (group.outgoing.length < 6_000) group.outgoing += text;',
    }],
    draw: { classes: ['partition', 'pause', 'clog', 'links'] },
  },
  {
    name: 'delete-lost-at-compaction', area: 'api', oracle: 'no-orphans',
    what: 'who catches up by a snapshot is not told of what was deleted meanwhile',
    edits: [{
      file: 'cluster/state/snapshot.ts',
      find: "    found.push({ type: 'DELETED', key, revision: after.revision, object, previous: object });",
      replace: '    void key;',
    }],
    draw: { peers: 4, classes: ['partition', 'pause', 'clog'] },
  },
];
