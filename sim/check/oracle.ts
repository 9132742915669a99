// The oracles: every claim that the simulator judges a run by, each with the name that a report prints.
// What always holds: an oracle only looks; a run's first violation ends it.

/** Name → what it claims. */
export const oracles = {
  'no-crash': 'no peer stops by itself, unless its disk has failed',
  'election-safety': 'at most one peer leads in a term',
  'one-vote-per-term': 'a peer votes for one candidate in a term, over restarts too',
  'terms-grow': 'a peer\'s term never falls, over restarts too',
  'log-matching': 'an entry is one thing everywhere, and so is all that comes before it',
  'promises-are-durable': 'a vote, or an answer that entries are there, leaves only once it is on disk',
  'promises-are-kept': 'what a peer told the leader of its term that it has, it does not drop in that term',
  'asks-first': 'nobody enters a new term unless a quorum would elect it, or the leader asked it to',
  'lease-is-exclusive': 'while a leader holds its lease, nobody leads in a later term',
  'configs-wait': 'the membership is changed only once the leader has committed an entry of its term',
  'membership-is-history': 'who votes, in a log and in a snapshot, is what the committed entries say',
  'leader-completeness': 'who leads holds every committed entry',
  'promises-outlive-restarts': 'what a peer said that it has is there when it starts again',
  'match-grows': 'a leader never goes back behind what another log was said to agree with',
  'gives-up-contradictions-only': 'entries are dropped only where others contradict them',
  'commits-own-term': 'a leader commits by counting entries of its own term only',
  'one-change-at-a-time': 'one membership is under way at a time, and one vote changes in it',
  'committed-is-durable': 'a committed entry is on the disks of a quorum of voters',
  'commit-grows': 'what a peer has committed and applied never becomes less while it runs',
  'state-digest': 'at one index, every member has the same state',
  'identity': 'a uid is given to one object only, and revisions grow',
  'applied-once': 'a command takes effect once, however often it comes',
  'one-writer-per-fence': 'commands under one fence come from the leader of that term, and count in it only',
  'one-writer-per-field': 'spec is changed by the API, placement by the scheduler, status by its own writer',
  'compare-and-swap': 'what was to replace a certain revision replaced no other',
  'bound-under-fence': 'a pod is placed by the leader, under its fence',
  'no-over-commit': 'what the pods of a node ask for is there, those on their way out included',
  'feasible-is-bound': 'a pod that fits somewhere is placed in the end',
  'over-is-final': 'a pod that has ended does not live again',
  'no-foreign-deletion': 'a controller deletes what it owns, told by uid, or what nobody owns any more',
  'adopts-orphans-only': 'a controller adopts what nobody else controls',
  'binding-is-final': 'a pod that has a node keeps it',
  'pod-on-one-node': 'a pod\'s containers live on one machine only',
  'one-live-container': 'a container of a pod lives once',
  'never-restarted': 'what should run once is not started again',
  'linearizable': 'a read shows every write that was acknowledged before it began',
  'linearizable-history': 'one order of all operations on an object explains every answer',
  'acknowledged-is-committed': 'what a client was told of is committed, and what it was refused is not',
  'watch-is-history': 'a watch shows the committed changes in order, each once, none left out',
  'clean-up-first': 'what goes after what it holds goes after it',
  'ended-stays-ended': 'no container is made for a pod whose end is written down',
  'status-keeps-spec': 'who writes a status changes nothing else',
  'logs-are-true': 'the log of a container, read anywhere, is what it printed, or the beginning of it',
  'no-resurrection': 'news of a peer go forward, and only itself makes it younger than its death',
  'incarnation-grows': 'a peer\'s incarnation is above that of all its earlier runs',
  'beats-go-forward': 'nobody passes on an older beat than before',
  'gossip-converges': 'soon after the last fault, every live peer sees the others as they are',
  'bounded-suspicion': 'with no fault about, nobody that is well is suspected',
  'bounded-gossip': 'gossip costs a peer a bounded number of bytes a second',
  'answered': 'every request is answered in time',
  'converges': 'once faults are over, what is desired comes about in time',
  'silence': 'once what is desired is there, nobody writes any more',
  'no-orphans': 'nothing is left of what has no owner: no container, no object',
  'grace-is-kept': 'no container of a deleted or ended pod outlives its grace',
  'same-end-state': 'the end is that of a run without faults, names aside',
} as const;

export type OracleName = keyof typeof oracles;

export type Report = (oracle: OracleName, message: string) => void;

/** What broke, and where in the run. */
export interface Violation {
  readonly oracle: OracleName;
  readonly message: string;
  readonly atMs: number;
  /** Number of the delivered event after which it was seen. */
  readonly event: number;
}
