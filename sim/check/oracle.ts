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
  'committed-is-durable': 'a committed entry is on the disks of a quorum of voters',
  'commit-grows': 'what a peer has committed and applied never becomes less while it runs',
  'state-digest': 'at one index, every member has the same state',
  'identity': 'a uid is given to one object only, and revisions grow',
  'applied-once': 'a command takes effect once, however often it comes',
  'one-writer-per-fence': 'commands under one fence come from the leader of that term, and count in it only',
  'no-over-commit': 'what the pods of a node ask for is there, those on their way out included',
  'binding-is-final': 'a pod that has a node keeps it',
  'pod-on-one-node': 'a pod\'s containers live on one machine only',
  'one-live-container': 'a container of a pod lives once',
  'never-restarted': 'what should run once is not started again',
  'linearizable': 'a read shows every write that was acknowledged before it began',
  'acknowledged-is-committed': 'what a client was told of is committed, and what it was refused is not',
  'watch-is-history': 'a watch shows the committed changes in order, each once, none left out',
  'logs-are-true': 'the log of a container, read anywhere, is what it printed, or the beginning of it',
  'answered': 'every request is answered in time',
  'converges': 'once faults are over, what is desired comes about in time',
  'silence': 'once what is desired is there, nobody writes any more',
  'no-orphans': 'no container runs for a pod that should not run there',
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
