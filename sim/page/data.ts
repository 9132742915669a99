// What a recording of a run is: plain data, as it is embedded in a page and read by its script. Lists that
// are as long as the recording are kept column by column, so that a page stays small.
// What always holds: it is JSON; peers are counted from 0 here; times are whole microseconds of the world;
// an item stands after everything that it follows from.

/** What an item is about; the page filters by it. */
export const groups = [
  'log', 'feed', 'repair', 'gossip', 'call', 'join', 'link', 'disk', 'timer', 'client', 'runtime', 'life',
  'note',
] as const;
export type Group = (typeof groups)[number];

/** For people. */
export const groupWords: Readonly<Record<Group, string>> = {
  log: 'log messages', feed: 'commit feed', repair: 'repair', gossip: 'gossip', call: 'forwards and reads',
  join: 'joining', link: 'connections', disk: 'disk', timer: 'timers', client: 'client requests',
  runtime: 'containers', life: 'starts and ends', note: 'notes of peers',
};

/** One column per field, one place per item, oldest first. */
export interface Items {
  /** Number of the delivered event; that of the event at hand for a note, 0 for a start or an end. */
  readonly number: readonly number[];
  /** As differences, the first from 0. */
  readonly atUs: readonly number[];
  readonly peer: readonly number[];
  /** In `groups`. */
  readonly group: readonly number[];
  /** In `strings`. */
  readonly kind: readonly number[];
  readonly text: readonly number[];
  /** The item in which the message that arrives was sent, or the write that is persisted was made; or -1. */
  readonly cause: readonly number[];
  /** In `states`: the peer after it. */
  readonly state: readonly number[];
}

/** One column per field, one place per message, in the order in which they were sent. */
export interface Messages {
  readonly from: readonly number[];
  readonly to: readonly number[];
  readonly group: readonly number[];
  /** In `strings`. */
  readonly kind: readonly number[];
  /** As differences, the first from 0. */
  readonly sentUs: readonly number[];
  /** The item in which it was sent, or -1: before the recording begins. */
  readonly sentIn: readonly number[];
  /** The item in which it arrives, or -1: it was lost, or is under way at the end. */
  readonly arrivesIn: readonly number[];
}

/** A peer as it says that it is. Texts are in `strings`. */
export interface PeerState {
  /** Null: no process runs. */
  readonly phase: string | null;
  readonly role: string;
  readonly term: number;
  /** A peer, or -1. */
  readonly leader: number;
  readonly commit: number;
  readonly applied: number;
  readonly last: number;
  readonly quorum: boolean;
  /** In `strings`, a line each: members; pods and their containers on the machine. */
  readonly members: number;
  readonly pods: number;
  /** In `strings`: the numbers there of a line per actor with its state. There are many, and few change. */
  readonly actors: number;
}

export interface RoleSpan {
  readonly peer: number; readonly role: 'leader' | 'candidate'; readonly term: number;
  readonly fromUs: number; readonly untilUs: number;
}

export interface LifeSpan {
  readonly peer: number; readonly fromUs: number; readonly untilUs: number;
  /** How it ended; null where it ran to the end of the run. */
  readonly end: string | null;
}

/** As the plan has it: it may end after the run. */
export interface FaultSpan {
  readonly kind: string; readonly text: string; readonly fromUs: number; readonly untilUs: number;
  /** Whom it is about. */
  readonly peers: readonly number[];
  /** It is about links between peers, not about machines. */
  readonly network: boolean;
}

export interface Verdict {
  readonly oracle: string; readonly claim: string; readonly message: string; readonly atUs: number;
  /** Number of the event after which it was seen. */
  readonly event: number;
  /** Whom the message names, or who handled that event. */
  readonly peers: readonly number[];
}

export interface Recording {
  readonly version: 1;
  readonly title: string;
  /** Null: no oracle had anything to say. */
  readonly verdict: Verdict | null;
  /** Name and value, for people: seed, hash, … */
  readonly facts: readonly (readonly [string, string])[];
  /** What is not in the page, a sentence each. */
  readonly leftOut: readonly string[];
  readonly peers: readonly string[];
  readonly endUs: number;
  readonly healUs: number;
  /** From where to where there are items. */
  readonly window: { readonly fromUs: number; readonly untilUs: number };
  readonly lives: readonly LifeSpan[];
  readonly roles: readonly RoleSpan[];
  readonly faults: readonly FaultSpan[];
  /** How many messages each peer sent, step by step over the whole run. */
  readonly sent: { readonly stepUs: number; readonly counts: readonly (readonly number[])[] };
  /** Each peer's state (in `states`) before its first item. */
  readonly before: readonly number[];
  readonly items: Items;
  readonly messages: Messages;
  readonly states: readonly PeerState[];
  readonly strings: readonly string[];
}
