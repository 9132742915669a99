// What peers say to each other: one union, framed and encoded by `wire.ts`.
// A message may be lost, repeated, delayed or overtaken; none may do harm by it.

import type { Index, ObjectKey, PeerId, Revision, Term } from './ids.ts';
import type { GossipMessage, RepairMessage } from './gossip/types.ts';
import type { LogMember, LogMessage } from './log/types.ts';
import type { CommandId } from './state/types.ts';
import type { LogsRequest, StreamsRequest } from './api/request.ts';
import type { FlowInput, FlowOutput } from './flow.ts';
import type { NodeUsage } from './usage.ts';

export type PeerMessage =
  | { readonly kind: 'log'; readonly message: LogMessage }
  | { readonly kind: 'gossip'; readonly message: GossipMessage }
  | { readonly kind: 'repair'; readonly message: RepairMessage }
  /** Commands for the leader to append; `data[i]` is the wire-encoded command with id `ids[i]`. */
  | { readonly kind: 'forward'; readonly ids: readonly CommandId[]; readonly data: readonly Uint8Array[] }
  /**
   * They were not appended: why, and who may be the leader. An appended command is answered by being applied.
   */
  | { readonly kind: 'not-appended'; readonly ids: readonly CommandId[]; readonly reason: string;
      readonly leader: PeerId | null }
  | { readonly kind: 'read'; readonly id: number }
  | { readonly kind: 'read-reply'; readonly id: number; readonly index: Index | null;
    readonly leader: PeerId | null }
  /** A pod's log from the peer that runs it. The reader grants `credit` bytes at a time. */
  | { readonly kind: 'logs-open'; readonly stream: string; readonly logs: LogsRequest;
    readonly credit: number }
  | { readonly kind: 'logs-chunk'; readonly stream: string; readonly sequence: number;
    readonly data: Uint8Array }
  | { readonly kind: 'logs-credit'; readonly stream: string; readonly credit: number }
  | { readonly kind: 'logs-end'; readonly stream: string; readonly error: string | null }
  | { readonly kind: 'logs-close'; readonly stream: string }
  /** The join protocol, the only messages a stranger may send or get. See `cluster/join.ts`. */
  | { readonly kind: 'join'; readonly message: JoinMessage }
  /**
   * A door asks the leader to take a peer into the log (as a learner), or to renew its name and addresses.
   */
  | { readonly kind: 'admit'; readonly member: LogMember; readonly asOf: Index }
  /**
   * Asks the leader to take a member out of the log: itself when it leaves, or another that is gone for good.
   * Both are meant for the member as it was at `asOf`, which whoever asks had applied.
   */
  | { readonly kind: 'remove'; readonly peer: PeerId; readonly asOf: Index }
  /**
   * A flow into a container of the peer that runs the pod (`cluster/flow.ts`). Either side may send
   * `limits.flowWindowBytes` and what the other grants by `flow-credit`. `port`: of a port-forward.
   */
  | { readonly kind: 'flow-open'; readonly flow: string; readonly streams: StreamsRequest;
      readonly port: number }
  | { readonly kind: 'flow-input'; readonly flow: string; readonly sequence: number;
      readonly input: FlowInput }
  | { readonly kind: 'flow-output'; readonly flow: string; readonly sequence: number;
      readonly output: FlowOutput }
  | { readonly kind: 'flow-credit'; readonly flow: string; readonly bytes: number }
  /** From either side: it is not wanted any more, or it is not known here (any more). */
  | { readonly kind: 'flow-close'; readonly flow: string }
  /** What does your machine use, and, if `pods`, what do the pods on it? */
  | { readonly kind: 'usage-ask'; readonly id: number; readonly pods: boolean }
  /** Null: it could not be measured. */
  | { readonly kind: 'usage-reply'; readonly id: number; readonly usage: NodeUsage | null };

export type JoinMessage =
  | { readonly type: 'hello'; readonly tokenId: string; readonly nonce: string }
  /** `greeting`: the nonce of the hello that it answers; what answers an earlier one is of no more use. */
  | { readonly type: 'challenge'; readonly greeting: string; readonly nonce: string; readonly proof: string }
  /** `challenge`: likewise, the nonce of the challenge. */
  | { readonly type: 'request'; readonly challenge: string; readonly proof: string; readonly name: string;
    readonly addresses: readonly string[] }
  /** `index`: up to there at least the log was committed when it had taken the joiner in. */
  | { readonly type: 'admitted'; readonly clusterId: string; readonly term: Term; readonly index: Index;
    readonly members: readonly LogMember[] }
  | { readonly type: 'refused'; readonly reason: string; readonly retry: boolean }
  /** From somebody who was a member as of this revision, and has been alone since: is it one still? */
  | { readonly type: 'ask'; readonly revision: Revision }
  /** It is not, by a newer state. */
  | { readonly type: 'stranger' };

export type { ObjectKey };
