// libp2p's shapes under short names, taken from its entry package.

import type { Libp2p } from 'libp2p';

export type Connection = ReturnType<Libp2p['getConnections']>[number];
export type Stream = Connection['streams'][number];
/** libp2p's own peer id object; `PeerId` in the core is its text. */
export type RemotePeer = Connection['remotePeer'];

/** What the adapter has counted since it was made. */
export interface NetworkCounters {
  /** Bytes of frames and of feed messages, with their headers, before encryption. */
  bytesIn: number;
  bytesOut: number;
  /** Frames that were not sent: no member, no connection, a full queue. */
  dropped: number;
}
