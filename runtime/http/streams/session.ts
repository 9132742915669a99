// One client's connection after it was switched over, whatever its protocol: what the peer says to it, and
// what it says to the peer. Exec and attach have one flow, number 0; a port-forward one for each connection.

import type { FlowChannel, FlowEnd, FlowInput } from '../../../cluster/flow.ts';

export interface StreamSession {
  output(flow: number, channel: FlowChannel, data: Uint8Array): void;
  /** Of an exec or attach, this ends the connection, too. */
  end(flow: number, end: FlowEnd): void;
  /** The client may say so much more. */
  grant(flow: number, bytes: number): void;
  destroy(): void;
}

export interface SessionHooks {
  opened(flow: number, port: number): void;
  input(flow: number, input: FlowInput): void;
  /** The client's connection has taken so much of its output. */
  drained(flow: number, bytes: number): void;
  /** The client gave up one connection of a port-forward. */
  closed(flow: number): void;
  /** The connection is gone, or was ended because of what the client did. */
  over(): void;
}
