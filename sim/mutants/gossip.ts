// Mutants of gossip: of the news about members, and of the repair of what a member missed.

import type { Mutant } from './mutant.ts';

export const gossipMutants: readonly Mutant[] = [
  {
    name: 'alive-beats-dead', area: 'gossip', oracle: 'no-resurrection',
    what: 'of two rumours of one incarnation, that a member lives beats that it is dead',
    edits: [{
      file: 'cluster/gossip/view.ts', find: 'if (newer || rank[rumour.status] > rank[view.status])',
      replace: "if (newer || rumour.status === 'alive' && view.status !== 'alive' "
        + '|| rank[rumour.status] > rank[view.status])',
    }],
    draw: { peers: 5, classes: ['crash', 'power', 'partition', 'pause'], chaosOnly: true },
  },
  {
    name: 'tombstone-forgotten', area: 'gossip', oracle: 'no-resurrection',
    what: 'that a member is dead is forgotten before the longest partition ends',
    edits: [{
      file: 'cluster/gossip/probe.ts', find: '  p.intervals += 1;',
      replace: `  p.intervals += 1;
  for (const [peer, view] of m.peers) {
    if (view.status !== 'dead') continue;
    view.deadFor = (view.deadFor ?? 0) + 1;
    if (view.deadFor > 5) m.peers.set(peer, { status: 'alive', incarnation: 0, beat: null });
  }`,
    }],
    draw: { peers: 5, classes: ['crash', 'power', 'partition'], chaosOnly: true },
  },
  {
    name: 'repair-off', area: 'gossip', oracle: 'converges',
    what: 'nobody asks others for what the commit feed did not bring',
    edits: [{
      file: 'cluster/gossip/repair.ts', find: 'if (!view.active || !isBehind(r, view)) {',
      replace: 'if (view.applied >= 0 || !isBehind(r, view)) {',
    }],
    draw: { peers: 4, minutes: 1, classes: ['partition', 'crash', 'links'] },
  },
  {
    name: 'incarnation-lost', area: 'gossip', oracle: 'incarnation-grows',
    what: 'a member that starts again does not remember its incarnation',
    edits: [{
      file: 'actors/peer.ts', find: 'return before + limits.refutationsUnsyncedMax;', replace: 'return 1;',
    }],
    draw: { classes: ['crash', 'power'], chaosOnly: true },
  },
  {
    name: 'filter-ignores-versions', area: 'gossip', oracle: 'converges',
    what: 'a member\'s beat is taken for known where any beat of its run was heard before',
    edits: [{
      file: 'cluster/gossip/view.ts',
      find: 'return beat.incarnation === old.incarnation && beat.sequence > old.sequence;',
      replace: 'return false;',
    }],
    draw: { peers: 4, minutes: 1, classes: ['partition', 'crash', 'runtime'] },
  },
];
