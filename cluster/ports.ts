// Every port to the world. `runtime/ports` and `sim/ports` each have one file per port, of the same name.
//
// A port's methods are called with plain data, return at once and never throw for what the world does:
// completions and facts come back as `PeerEvent`s through the `deliver` that the adapter was made with,
// one at a time, never from inside a call into the port. All of a port's bounds are in `limits.ts`.
// Who owns what: the peer owns names and tokens it hands out; the adapter owns sockets, files, processes.

import type { Index, PeerId, RequestId } from './ids.ts';
import type { ApiRequest, ApiResponse, Slices, StreamsRequest } from './api/request.ts';
import type { FlowChannel, FlowEnd, FlowInput, FlowTarget } from './flow.ts';
import type { Entry, HardState, LogRecovery, SnapshotMeta } from './log/types.ts';
import type { RuntimeUsage } from './usage.ts';

export interface Ports {
  readonly clock: ClockPort;
  readonly random: RandomPort;
  readonly network: NetworkPort;
  readonly disk: DiskPort;
  readonly containers: ContainersPort;
  readonly traffic: TrafficPort;
  readonly clients: ClientsPort;
  readonly outbound: OutboundPort;
  readonly trace: TracePort;
  /** Where no audit log is kept, there is none. */
  readonly audit?: AuditPort;
  /** Left out where a peer has its process to itself. */
  readonly once?: OncePort;
}

/**
 * Work that many peers of one process would do alike, done once: in a simulation of a thousand machines each
 * reads the same bytes and comes to the same objects. `on`: what the work is done on; the same value with the
 * same `label`, which is asked for only where it matters, gives the same result, which nobody may change.
 */
export type OncePort = <T>(on: object, label: () => string, work: () => T) => T;

/** Each for itself. */
export const eachTime: OncePort = (_, __, work) => work();

export type PeerEvent =
  | { readonly type: 'timer'; readonly key: string }
  | NetworkEvent | DiskEvent | ContainersEvent | ClientsEvent | OutboundEvent;

// ── clock ────────────────────────────────────────────────────────────────────────────────────────────────

/** Monotonic time drives the core; wall time is only ever written into objects for people to read. */
export interface ClockPort {
  /** Milliseconds since the peer started; never goes back. */
  nowMs(): number;
  /** Milliseconds since 1970; may jump. */
  wallMs(): number;
  /** One `timer` event with this key after `ms`. Arming an armed key moves it. */
  arm(key: string, ms: number): void;
  /** No `timer` event with this key comes after this, unless it is armed again. */
  disarm(key: string): void;
}

/** 32 random bits a call; in the simulator from the run's seed. */
export interface RandomPort { u32(): number }

// ── network ──────────────────────────────────────────────────────────────────────────────────────────────

export interface NetworkMember { readonly id: PeerId; readonly addresses: readonly string[] }

/**
 * Messages between peers over an encrypted, mutually authenticated channel: `from` is proved, not claimed.
 * At most once; order holds only while one connection lasts; a full queue drops the newest. Dials on demand.
 * Only members (and, for frames of the join protocol, strangers) are spoken to; others' connections are
 * closed before a byte is sent.
 */
export interface NetworkPort {
  readonly self: PeerId;
  /** The addresses this peer can be dialled at. */
  addresses(): readonly string[];
  /** Whom this peer may speak to, and where they were last seen. Replaces the former list. */
  setMembers(members: readonly NetworkMember[]): void;
  send(to: PeerId, frame: Uint8Array): void;
  /** The commit feed: gossipsub to every member, at most once each, unordered, not to oneself. */
  publish(frame: Uint8Array): void;
  /** Dial a stranger to join through it; its id is learned from the channel and comes as `connected`. */
  dial(address: string): void;
  /** Send on the join protocol, to a peer that is perhaps no member. */
  sendJoin(to: PeerId, frame: Uint8Array): void;
  /** What was carried since the peer started, for people; absent where nobody counts. */
  stats?(): NetworkStats;
}

/** Bytes of frames and of feed messages, with their headers, before encryption. */
export interface NetworkStats {
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Frames that were not sent: no member, no connection, a full queue. */
  readonly dropped: number;
  readonly connections: number;
}

export type NetworkEvent =
  | { readonly type: 'message'; readonly from: PeerId; readonly frame: Uint8Array }
  | { readonly type: 'feed'; readonly frame: Uint8Array }
  | { readonly type: 'join-message'; readonly from: PeerId; readonly frame: Uint8Array }
  | { readonly type: 'dialled'; readonly address: string; readonly peer: PeerId | null;
    readonly error: string | null }
  /** A hint only: gossip decides who is alive. */
  | { readonly type: 'disconnected'; readonly peer: PeerId };

// ── disk ─────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * The log's and the snapshot's home, and a few small facts. Writes are carried out in the order of the calls;
 * `persisted` with a token means that this write and all before it are on stable storage. An adapter may join
 * several writes into one fsync. A write that fails is reported once, by `disk-failed`, and nothing after it
 * is written: the peer must stop, for the page cache can't be trusted after a failed fsync.
 */
export interface DiskPort {
  write(write: DiskWrite): void;
  /**
   * Keep the state's snapshot and drop entries at or below `keepFrom`; completion: `snapshot-saved`. The
   * adapter takes one chunk after the other, between events, as it writes them.
   */
  saveSnapshot(meta: SnapshotMeta, chunks: Iterable<Uint8Array>, keepFrom: Index): void;
  /** Small facts (incarnation, cluster id): durable by the next `persisted` or on their own soon after. */
  saveFact(name: string, value: string): void;
}

export interface DiskWrite {
  readonly token: number;
  readonly hard?: HardState;
  readonly truncateAfter?: Index;
  readonly entries: readonly Entry[];
  readonly snapshot?: { readonly meta: SnapshotMeta; readonly data: Uint8Array };
}

/** What the adapter read before the peer was made; handed to `createPeer`. */
export interface DiskRecovery {
  readonly log: LogRecovery;
  /** Encoded state at `log.snapshot.index`, or null for an empty peer. */
  readonly snapshot: Uint8Array | null;
  readonly facts: Readonly<Record<string, string>>;
}

export type DiskEvent =
  | { readonly type: 'persisted'; readonly token: number }
  | { readonly type: 'snapshot-saved'; readonly index: Index }
  | { readonly type: 'disk-failed'; readonly message: string };

// ── containers ───────────────────────────────────────────────────────────────────────────────────────────

/**
 * A container runtime, in the words of the Kubernetes CRI. Every call carries an `op` that its one completion
 * carries too (`done` or `failed`). Calls are idempotent: creating what exists adopts it, stopping what is
 * stopped and removing what is gone succeed. Everything made carries the labels of its pod, so that `list`
 * after a restart of the peer finds it again.
 */
export interface ContainersPort {
  readonly name: 'docker' | 'process' | 'simulated';
  call(op: string, call: RuntimeCall): void;
  /** Start a log stream; `log-chunk`s and one `log-end` come back. Resumes when `logCredit` grants bytes. */
  openLog(stream: string, container: string, options: LogOptions, credit: number): void;
  logCredit(stream: string, bytes: number): void;
  closeLog(stream: string): void;
  /**
   * Start a flow into a container; `flow-output`s and one `flow-end` come back, no more bytes of output than
   * `credit` and what `flowCredit` grants. Of input, what the target has taken is told by `flow-taken`; no
   * more than a window (`limits.flowWindowBytes`, and perhaps the bonus) is given that has not been taken.
   */
  openFlow(flow: string, target: FlowTarget, credit: number): void;
  flowInput(flow: string, input: FlowInput): void;
  flowCredit(flow: string, bytes: number): void;
  /** Ends what `exec` started, leaves what was attached to alone; nothing more comes of this flow. */
  closeFlow(flow: string): void;
}

export type RuntimeCall =
  | { readonly call: 'pull'; readonly image: string }
  /** Is the image here? Completion's `value` is its id, or '' if not. */
  | { readonly call: 'image'; readonly image: string }
  | { readonly call: 'create-sandbox'; readonly sandbox: SandboxSpec }
  | { readonly call: 'create-container'; readonly container: ContainerSpec }
  | { readonly call: 'start-container'; readonly id: string }
  /** SIGTERM, then SIGKILL after the grace period. Completes when it has stopped. */
  | { readonly call: 'stop-container'; readonly id: string; readonly graceMs: number }
  | { readonly call: 'remove-container'; readonly id: string }
  /** Stops and removes the sandbox and all containers in it. */
  | { readonly call: 'remove-sandbox'; readonly id: string }
  /** Completion's `list` holds everything that this peer's labels are on. */
  | { readonly call: 'list' }
  /** Completion's `usage` is what the machine and this peer's running containers have used by now. */
  | { readonly call: 'usage' };

export interface PodIdentity { readonly namespace: string; readonly name: string; readonly uid: string }

export interface SandboxSpec {
  readonly pod: PodIdentity;
  /** Grows when a pod needs a new sandbox; part of the sandbox's name. */
  readonly attempt: number;
  readonly hostname: string;
  readonly hostNetwork: boolean;
  readonly ports: readonly { readonly containerPort: number; readonly hostPort: number;
    readonly protocol: 'TCP' | 'UDP';
    readonly hostIP: string }[];
}

export interface ContainerSpec {
  readonly pod: PodIdentity;
  readonly sandbox: string;
  readonly name: string;
  readonly attempt: number;
  readonly image: string;
  /** Empty: the image's own. */
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly workingDir: string;
  readonly env: readonly { readonly name: string; readonly value: string }[];
  /** 0: no limit. `cpuRequestMilli` sets the relative weight. */
  readonly cpuRequestMilli: number;
  readonly cpuLimitMilli: number;
  readonly memoryLimitBytes: number;
  readonly stdin: boolean;
  readonly tty: boolean;
  /** Its input ends with that of the first who attached to it. */
  readonly stdinOnce?: boolean;
  /** Linux capabilities beyond those that every container has, and those that it has not; without `CAP_`. */
  readonly capabilities?: { readonly add: readonly string[]; readonly drop: readonly string[] };
  /** The container or the sandbox whose process namespace it shares; absent: it has one of its own. */
  readonly processesOf?: string;
  /** Where the program leaves its last words, read when it has ended; absent: none are looked for. */
  readonly terminationMessagePath?: string;
  /** `FallbackToLogsOnError`: where it left none and failed, the end of its log is taken. */
  readonly terminationMessagePolicy?: 'File' | 'FallbackToLogsOnError';
}

export interface SandboxFact {
  readonly id: string; readonly pod: PodIdentity; readonly attempt: number; readonly ip: string;
  readonly running: boolean; readonly createdAtMs: number;
}

export interface ContainerFact {
  readonly id: string; readonly sandbox: string; readonly pod: PodIdentity; readonly name: string;
  readonly attempt: number; readonly image: string; readonly imageId: string;
  readonly state: 'created' | 'running' | 'exited';
  readonly exitCode: number; readonly oomKilled: boolean;
  /** Wall-clock milliseconds; 0 while it has not happened. */
  readonly startedAtMs: number; readonly finishedAtMs: number;
  /** What the container wrote to its termination message file, or the runtime's start error. */
  readonly message: string;
}

export interface LogOptions {
  readonly follow: boolean; readonly timestamps: boolean; readonly tailLines: number | null;
  readonly sinceMs: number | null;
}

/** Why a call failed, in the runtime's own words. `reason` is what goes into `state.waiting.reason`. */
export interface RuntimeFailure {
  readonly reason: 'ErrImagePull' | 'InvalidImageName' | 'ErrImageNeverPull' | 'CreateContainerError'
    | 'RunContainerError' | 'CreatePodSandboxError' | 'NotFound' | 'RuntimeUnavailable';
  readonly message: string;
  readonly retry: boolean;
}

export type ContainersEvent =
  | { readonly type: 'runtime-done'; readonly op: string; readonly value: string;
      /** For create-sandbox and start-container: the fact as it stands now. */
      readonly sandbox?: SandboxFact; readonly container?: ContainerFact;
      readonly list?: { readonly sandboxes: readonly SandboxFact[];
        readonly containers: readonly ContainerFact[] };
      readonly usage?: RuntimeUsage }
  | { readonly type: 'runtime-failed'; readonly op: string; readonly failure: RuntimeFailure }
  /** A container started, exited or went away; may be repeated; may be missed (then `list` tells). */
  | { readonly type: 'container-changed'; readonly container: ContainerFact }
  | { readonly type: 'container-gone'; readonly id: string }
  | { readonly type: 'sandbox-changed'; readonly sandbox: SandboxFact }
  | { readonly type: 'sandbox-gone'; readonly id: string }
  /** The runtime stopped or started answering. After `up`, facts may have been missed: list again. */
  | { readonly type: 'runtime-health'; readonly up: boolean; readonly message: string }
  | { readonly type: 'log-chunk'; readonly stream: string; readonly data: Uint8Array }
  | { readonly type: 'log-end'; readonly stream: string; readonly error: string | null }
  | { readonly type: 'flow-output'; readonly flow: string; readonly channel: FlowChannel;
      readonly data: Uint8Array }
  | { readonly type: 'flow-taken'; readonly flow: string; readonly bytes: number }
  | { readonly type: 'flow-end'; readonly flow: string; readonly end: FlowEnd };

// ── traffic ──────────────────────────────────────────────────────────────────────────────────────────────

/** Carries connections to Services to their endpoints on this machine. `apply` replaces the whole table. */
export interface TrafficPort { apply(routes: readonly Route[]): void }

export interface Route {
  /** namespace/name:port, for people. */
  readonly name: string;
  readonly protocol: 'TCP' | 'UDP';
  /** Empty for a headless Service. */
  readonly clusterIP: string;
  readonly port: number;
  /** 0: none. */
  readonly nodePort: number;
  /** Sorted; empty: connections are refused. */
  readonly backends: readonly { readonly ip: string; readonly port: number }[];
}

// ── clients ──────────────────────────────────────────────────────────────────────────────────────────────

/**
 * The clients of the HTTPS API. For each `request`: one `respond`; or one `open`, `chunk`s and one `end`; or,
 * where its connection can be switched over, one `upgrade` and then its flows, until it is closed. Flow 0 of
 * an exec or attach is there from the start; the client opens those of a port-forward (`flow-opened`).
 */
export interface ClientsPort {
  /**
   * With a `rest`, it is pulled slice by slice, other work between them, as the client takes them; then, or
   * when the client is gone, comes `request-closed`.
   */
  respond(id: RequestId, response: ApiResponse): void;
  /** `first` is pulled as the `rest` of a response is; chunks wait behind it. */
  open(id: RequestId, status: number, headers: Readonly<Record<string, string>>, first?: Slices | null): void;
  chunk(id: RequestId, data: string | Uint8Array): void;
  /** The same chunk to each of them. */
  tell(ids: readonly RequestId[], data: string): void;
  end(id: RequestId): void;
  /** The client may send `limits.flowWindowBytes` into each flow, then as many as are granted. */
  upgrade(id: RequestId, streams: StreamsRequest): void;
  flowOutput(id: RequestId, flow: number, channel: FlowChannel, data: Uint8Array): void;
  /** The end of an exec or attach ends the request, too. */
  flowEnd(id: RequestId, flow: number, end: FlowEnd): void;
  flowGrant(id: RequestId, flow: number, bytes: number): void;
}

export type ClientsEvent =
  | { readonly type: 'request'; readonly request: ApiRequest }
  /**
   * The client went away, or its stream was closed for being too slow. Nothing may be sent to it any more.
   */
  | { readonly type: 'request-closed'; readonly id: RequestId }
  /** A streaming client has taken this many bytes since the last such event (for log streams' credit). */
  | { readonly type: 'request-drained'; readonly id: RequestId; readonly bytes: number }
  /** A client of port-forward wants one more connection. Numbers are never used twice within a request. */
  | { readonly type: 'flow-opened'; readonly id: RequestId; readonly flow: number; readonly port: number }
  | { readonly type: 'flow-input'; readonly id: RequestId; readonly flow: number; readonly input: FlowInput }
  /** The client has taken this many bytes of the flow's output. */
  | { readonly type: 'flow-drained'; readonly id: RequestId; readonly flow: number; readonly bytes: number }
  /** The client has given up this connection. */
  | { readonly type: 'flow-closed'; readonly id: RequestId; readonly flow: number };

// ── outbound ─────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Calls over HTTPS to servers of the cluster's users: webhooks, aggregated APIs. Each call has one
 * completion, an answer or a failure, within its time; none once it is cancelled. A call is repeated by the
 * adapter only where it was sent over a kept connection that turns out closed. Redirects are not followed,
 * proxies not used.
 */
export interface OutboundPort {
  /** `id` is used once. Of an answer no more than `limits.calloutAnswerBytesMax` bytes are taken. */
  call(id: string, request: OutboundRequest): void;
  /** Nobody waits for it any more; nothing comes of it. */
  cancel(id: string): void;
}

export interface OutboundRequest {
  readonly method: string;
  readonly address: OutboundAddress;
  /** Whom the server's certificate must name, and what it is told it is called for (SNI). */
  readonly serverName: string;
  /** The Host header. */
  readonly authority: string;
  /** With its query. */
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: string | Uint8Array | null;
  /** Certificates that vouch for the server's, as PEM in base64; null: those that the machine trusts. */
  readonly caBundle: string | null;
  readonly timeoutMs: number;
}

export interface OutboundAddress { readonly host: string; readonly port: number }

export type OutboundResult =
  | { readonly ok: true; readonly status: number; readonly headers: Readonly<Record<string, string>>;
      readonly body: Uint8Array }
  | { readonly ok: false; readonly failure: OutboundFailure };

export interface OutboundFailure {
  /**
   * `refused`, `unreachable`, `unknown-host`: it was not reached; `untrusted`: it is not who it should be.
   * None of these was sent a byte of the request. The others may have been.
   */
  readonly reason: 'refused' | 'unreachable' | 'unknown-host' | 'untrusted' | 'timeout' | 'too-large'
    | 'broken';
  readonly address: OutboundAddress;
  readonly detail: string;
}

export type OutboundEvent =
  { readonly type: 'outbound-done'; readonly id: string; readonly result: OutboundResult };

// ── audit ────────────────────────────────────────────────────────────────────────────────────────────────

/** Whole lines for the audit log, in order. Takes them at once; what can't be written is counted and told. */
export interface AuditPort {
  write(line: string): void;
}

// ── trace ────────────────────────────────────────────────────────────────────────────────────────────────

/** What a person or a checker may want to know. Never read back by the core. */
export interface TracePort {
  event(area: string, what: string, fields: Readonly<Record<string, string | number | boolean | null>>): void;
  /** An actor came to this state, or stopped: null. Left out where nobody looks on. */
  readonly actor?: (id: string, state: string | null) => void;
}
