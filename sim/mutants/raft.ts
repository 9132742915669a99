// Mutants of the log. Where one needs two guards taken away, both go: they are one bug, guarded twice.

import type { Mutant } from './mutant.ts';

const crashes = ['crash', 'power', 'slow-disk', 'partition', 'pause'] as const;
const network = ['partition', 'links', 'clog', 'pause', 'crash'] as const;

const votes: readonly Mutant[] = [
  {
    name: 'term-and-vote-apart', area: 'raft', oracle: 'promises-are-durable',
    what: 'term and vote are persisted apart, and only the first is waited for',
    edits: [{
      file: 'actors/peer/consensus.ts',
      find: "case 'persist': return core.ports.disk.write(effect);",
      replace: `case 'persist': {
        const { hard } = effect;
        if (hard === undefined || hard.vote === null) return core.ports.disk.write(effect);
        core.ports.disk.write({ ...effect, hard: { term: hard.term, vote: null } });
        return core.ports.disk.write({ token: effect.token, hard, entries: [] });
      }`,
    }],
    draw: { classes: crashes, chaosOnly: true },
  },
  {
    name: 'vote-before-fsync', area: 'raft', oracle: 'promises-are-durable',
    what: 'a vote is answered before it is on disk',
    edits: [{
      file: 'cluster/log/election.ts',
      find: "sendDurably(log, from, { type: 'vote-reply', term: log.term, granted });",
      replace: "send(log, from, { type: 'vote-reply', term: log.term, granted });",
    }],
    draw: { classes: crashes, chaosOnly: true },
  },
  {
    name: 'candidate-forgets-own-vote', area: 'raft', oracle: 'promises-are-durable',
    what: 'a candidate does not note that it voted for itself',
    edits: [{
      file: 'cluster/log/election.ts', find: 'log.vote = log.self;', replace: 'log.vote = null;',
    }],
    draw: { classes: crashes, chaosOnly: true },
  },
  {
    name: 'log-check-skipped', area: 'raft', oracle: 'leader-completeness',
    what: 'votes are given without a look at how long the candidate\'s log is',
    edits: [{
      file: 'cluster/log/election.ts',
      find: 'lastTerm === entries.lastTerm && lastIndex >= entries.lastIndex',
      replace: 'lastTerm <= entries.lastTerm && lastIndex >= 0',
    }],
    draw: { classes: network, chaosOnly: true },
  },
  {
    name: 'term-regresses-on-restart', area: 'raft', oracle: 'terms-grow',
    what: 'a peer that starts again takes the term of its snapshot for its own',
    edits: [{
      file: 'cluster/log/log.ts',
      find: 'term: torn ? entries.lastTerm : hard.term,',
      replace: 'term: unsaved ? hard.term : snapshot.term,',
    }],
    draw: { classes: crashes, chaosOnly: true },
  },
  {
    name: 'no-pre-vote', area: 'raft', oracle: 'asks-first',
    what: 'a member that was cut off or taken out unseats the leader: nobody is asked before an election',
    edits: [
      { file: 'cluster/log/election.ts', find: 'else askFirst(log);', replace: 'else campaign(log, false);' },
      {
        file: 'cluster/log/election.ts', find: '(message.forced !== true && hearsLeader(log))',
        replace: '(message.forced !== true && log.nowMs < 0 && hearsLeader(log))',
      },
    ],
    draw: { classes: ['partition', 'crash', 'leave'], chaosOnly: true },
  },
];

const replication: readonly Mutant[] = [
  {
    name: 'older-term-by-counting', area: 'raft', oracle: 'commits-own-term',
    what: 'an entry of an older term is committed by counting who has it',
    edits: [{
      file: 'cluster/log/replicate.ts',
      find: 'reached > log.entries.commit && log.entries.termAt(reached) === log.term',
      replace: 'reached > log.entries.commit',
    }],
    draw: { classes: network, chaosOnly: true },
  },
  {
    name: 'commit-regresses', area: 'raft', oracle: 'commit-grows',
    what: 'a follower takes over a commit index that is lower than its own',
    edits: [{
      file: 'cluster/log/record.ts', find: '  if (to <= entries.commit) return;',
      replace: `  if (to <= entries.commit) {
    entries.commit = to < entries.base ? entries.base : to;
    return;
  }`,
    }],
    draw: { classes: network, chaosOnly: true },
  },
  {
    name: 'late-reply-lowers-match', area: 'raft', oracle: 'match-grows',
    what: 'an append\'s answer that comes late lowers what is known of the follower',
    edits: [{
      file: 'cluster/log/replicate.ts',
      find: 'if (reply.index > peer.match) peer.match = reply.index;', replace: 'peer.match = reply.index;',
    }],
    draw: { classes: ['links', 'pause', 'clog'], chaosOnly: true },
  },
  {
    name: 'late-append-truncates', area: 'raft', oracle: 'gives-up-contradictions-only',
    what: 'an append that comes late cuts off a suffix that matches',
    edits: [{
      file: 'cluster/log/record.ts', find: '  if (at >= entries.length) return;',
      replace: `  if (at >= entries.length) {
    const end = Math.max(first.index + entries.length - 1, log.entries.commit) as Index;
    if (end < log.entries.lastIndex) truncateEntries(log, end);
    return;
  }`,
    }],
    draw: { classes: ['links', 'pause', 'clog'], chaosOnly: true },
  },
  {
    name: 'single-voter-acknowledges-early', area: 'raft', oracle: 'committed-is-durable',
    what: 'a leader that votes alone commits what is not on its disk yet',
    edits: [{
      file: 'cluster/log/replicate.ts',
      find: 'toIndex(quorumOf(log, log.durable.index, (peer) => peer.match))',
      replace: `toIndex(quorumOf(log, (log.leading?.peers.length ?? 0) === 0 ? log.entries.lastIndex
    : log.durable.index, (peer) => peer.match))`,
    }],
    draw: { peers: 1, minutes: 1, chaosOnly: true },
  },
];

const reads: readonly Mutant[] = [
  {
    name: 'lease-survives-pause', area: 'raft', oracle: 'lease-is-exclusive',
    what: 'a lease is counted in rounds, which stand still while the process does, and not in time',
    edits: [{
      file: 'cluster/log/read.ts',
      find: 'return nowMs - quorumOf(log, nowMs, (peer) => peer.roundMs) <= leaseMs;',
      replace: 'return quorumOf(log, leading.round, (peer) => peer.round) > leading.round - 3;',
    }],
    draw: { classes: ['pause', 'partition'], chaosOnly: true },
  },
  {
    name: 'read-without-confirming', area: 'raft', oracle: 'lease-is-exclusive',
    what: 'a leader answers reads without having confirmed that it still leads',
    edits: [{
      file: 'cluster/log/read.ts',
      find: 'return nowMs - quorumOf(log, nowMs, (peer) => peer.roundMs) <= leaseMs;',
      replace: 'return quorumOf(log, nowMs, (peer) => peer.roundMs) <= nowMs + leaseMs;',
    }],
    draw: { classes: ['pause', 'partition'], chaosOnly: true },
  },
];

const membership: readonly Mutant[] = [
  {
    name: 'snapshot-forgets-membership', area: 'raft', oracle: 'membership-is-history',
    what: 'who installs a snapshot keeps the membership that it had before',
    edits: [{
      file: 'cluster/log/snapshot.ts', find: 'log.configs = [createConfig(meta.index, meta.members)];',
      replace: 'log.configs = [createConfig(meta.index, log.configs.at(-1)?.members ?? meta.members)];',
    }],
    draw: { peers: 4, classes: ['crash', 'partition', 'power', 'leave'] },
  },
  {
    name: 'half-is-a-quorum', area: 'raft', oracle: 'committed-is-durable',
    what: 'of an even number of voters one half is taken for a quorum',
    edits: [{
      file: 'cluster/log/voters.ts', find: 'Math.floor(voters / 2) + 1;', replace: 'Math.ceil(voters / 2);',
    }],
    draw: { minutes: 1, chaosOnly: true },
  },
  {
    name: 'config-before-noop', area: 'raft', oracle: 'configs-wait',
    what: 'a leader changes the membership before anything of its term is committed',
    edits: [
      {
        file: 'cluster/log/log.ts', find: 'leading.transfer !== null || !isReady(log)',
        replace: 'leading.transfer !== null',
      },
      {
        file: 'actors/peer/members.ts', find: "view?.role === 'leader' && view.ready;",
        replace: "view?.role === 'leader';",
      },
    ],
    draw: { peers: 4, classes: ['crash', 'partition', 'power', 'slow-disk'], chaosOnly: true },
  },
];

export const raftMutants: readonly Mutant[] = [...votes, ...replication, ...reads, ...membership];
