// A client's request and what the API answers, as plain data.
//
// The API is a function of (request, state): it answers at once, or hands back a command whose outcome
// `render` turns into the answer, or names a stream (watch, logs, exec) that the peer then drives.
// What always holds: the API never changes the state itself, and never looks at anything but its inputs.

import type { NodeName, ObjectKey, RequestId, Revision } from '../ids.ts';
import type { Change, Op, Outcome } from '../state/types.ts';
import type { UsageFound, UsageWanted } from '../usage.ts';
import type { Answers, Callout } from './callout/call.ts';
import type { Problem } from './status.ts';

export interface UserInfo {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

export interface ApiRequest {
  readonly id: RequestId;
  /** GET, POST, PUT, PATCH, DELETE, HEAD; upper case. */
  readonly method: string;
  /** Percent-encoded path, without the query. */
  readonly path: string;
  /** Raw query without `?`; empty if none. */
  readonly query: string;
  /**
   * Lower-case names; only what the API reads: accept, accept-encoding, content-type, if-none-match,
   * user-agent, and those of impersonation. A header that came several times holds its values on lines of
   * their own. `upgrade` is there where the connection can be switched over: `websocket`
   * or `spdy/3.1`.
   */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | null;
  /** Who asks, by its certificate; `system:anonymous` where it showed none. */
  readonly user: UserInfo;
  /** Where it came from, for the audit log. */
  readonly sourceIP?: string;
  /** A bearer token, of one that showed no certificate: the peer finds out whom it stands for. */
  readonly token?: string;
}

export interface ApiResponse {
  readonly status: number;
  /** Lower-case names. `content-type` is always set where there is a body. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** What comes after `body`, of a large answer. */
  readonly rest?: Slices;
}

/**
 * Text in slices: each takes a few milliseconds to make, when it is asked for, and may be empty. Who wants no
 * more of it says so by `return`.
 */
export type Slices = Generator<string, void, void>;

/** All of an answer in one piece. */
export function wholeBody({ body, rest }: ApiResponse): string {
  return rest === undefined ? body : [body, ...rest].join('');
}

/** What definitions and fields are for, in words for people, which the core does not hold itself. */
export interface Descriptions {
  /** Differs whenever a description does. */
  readonly edition: string;
  /** Of a definition by its OpenAPI name; null where nothing is known of it. */
  readonly of: (definition: string) => Description | null;
}

export interface Description {
  readonly text: string;
  /** By the field's name in JSON. */
  readonly fields: Readonly<Record<string, string>>;
}

/** What a request needs from the world besides the state: drawn by the peer, so that the API stays pure. */
export interface ApiContext {
  /** RFC 3339 UTC, whole seconds. */
  readonly nowWallMs: number;
  /** A fresh random uid (UUID v4 text). */
  readonly uid: () => string;
  /** Five characters for `generateName`. */
  readonly suffix: () => string;
  /** Not there where nobody reads them, as in the simulator. */
  readonly descriptions?: Descriptions;
  /** What others have answered so far; left out where nobody is called. */
  readonly answers?: Answers;
  /** When a member's last beat was heard of here, by this peer's wall clock; null: not since it started. */
  readonly beatOf?: (peer: string) => number | null;
  /** Facts of this peer for /version, /readyz and the Warning of a stale read. */
  readonly peer: { readonly ready: boolean; readonly notReadyReason: string; readonly serverAddress: string };
}

/**
 * How fresh the state must be before `handle` may be asked. Decided by `freshness` from the request, and from
 * which kinds this peer knows of.
 */
export type Freshness =
  /** Anything local will do (watch, resourceVersion=0, discovery, health). */
  | { readonly type: 'local' }
  /** The peer must first learn a read index from the leader and apply up to it. */
  | { readonly type: 'linearizable' }
  /** The peer must have applied this revision (`resourceVersion=N`, not older than). */
  | { readonly type: 'at-least'; readonly revision: Revision };

export type ApiResult = Result & {
  /** What those who had a say in it note for the audit log; nothing where it is not there. */
  readonly audit?: ReadonlyMap<string, string>;
};

type Result =
  | { readonly type: 'response'; readonly response: ApiResponse }
  /** Propose these ops; when they are applied here, ask `pending.render(outcome)`. */
  | { readonly type: 'command'; readonly ops: readonly Op[]; readonly pending: PendingCommand }
  /** Evaluate again, once these calls are answered. */
  | { readonly type: 'calls'; readonly calls: readonly Callout[] }
  | { readonly type: 'watch'; readonly watch: WatchRequest }
  | { readonly type: 'logs'; readonly logs: LogsRequest }
  | { readonly type: 'streams'; readonly streams: StreamsRequest }
  /** Find out what these nodes use; what is found by then is rendered. */
  | { readonly type: 'usage'; readonly wanted: UsageWanted;
      readonly render: (found: UsageFound) => ApiResponse };

export interface PendingCommand {
  /** The answer for this outcome, or `retry`: evaluate the whole request again on the newer state. */
  readonly render: (outcome: Outcome) => ApiResponse | 'retry';
}

/** A watch that was accepted. The peer sends `headers`, then each event that `next` yields. */
export interface WatchRequest {
  readonly headers: Readonly<Record<string, string>>;
  /** Changes after this revision are to be sent; before them comes `initial`, if it is there. */
  readonly from: Revision;
  readonly initial: Slices | null;
  /** The key prefix that the watch covers, for routing: `core/pods/` or `core/pods/default/`. */
  readonly prefix: string;
  /**
   * The lines (JSON, newline-ended) to send for a change; empty if it does not concern this watch. Tables
   * tell ages as of `nowWallMs`, or of the request where it is not given.
   */
  readonly encode: (change: Change, nowWallMs?: number) => string;
  /** Watches that are the same in both give the same lines: of a kind, and of what is asked of it. */
  readonly of: object;
  readonly same: string;
  /**
   * Instead of `encode`, where lines depend on what others answer: the lines, or a problem. A `Wanted` one is
   * asked again once its calls are answered; any other ends the watch.
   */
  readonly later?: (change: Change, context: ApiContext) => string | Problem;
  /** A bookmark line for this revision, or '' when the client did not ask for bookmarks. */
  readonly bookmark: (revision: Revision) => string;
  readonly timeoutMs: number;
}

export interface LogsRequest {
  readonly pod: ObjectKey;
  readonly podUid: string;
  readonly node: NodeName;
  readonly container: string;
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines: number | null;
  readonly sinceSeconds: number | null;
  readonly limitBytes: number | null;
}

/** An exec, attach or port-forward that was accepted. */
export interface StreamsRequest {
  readonly kind: 'exec' | 'attach' | 'portforward';
  readonly pod: ObjectKey;
  readonly podUid: string;
  readonly node: NodeName;
  /** Empty for a port-forward. */
  readonly container: string;
  readonly command: readonly string[];
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
  /** What a port-forward over a WebSocket of its own leads to; over SPDY each connection names its port. */
  readonly ports: readonly number[];
}
