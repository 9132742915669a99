// The network of a real peer: libp2p over TCP, TLS 1.3 with the peers' own keys, yamux, and gossipsub for the
// commit feed. No other service runs: no discovery, no relay, no identify, no ping. Who is spoken to comes
// from the log, through `setMembers`; all others meet the door (`libp2p/strangers.ts`).
// What always holds: `from` is the identity that the channel proved; events come one at a time and never from
// inside a call; after `close` nothing is delivered.

import { tcp } from '@libp2p/tcp';
import { yamux } from '@chainsafe/libp2p-yamux';
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id';
import { createLibp2p } from 'libp2p';
import type { Libp2p, Libp2pOptions } from 'libp2p';
import { assert } from '../../cluster/assert.ts';
import type { PeerId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { NetworkEvent, NetworkPort, NetworkStats } from '../../cluster/ports.ts';
import { channel } from './libp2p/channel.ts';
import { formatAddress, parseAddress, parseListenAddress, reachable } from './libp2p/addresses.ts';
import { carriesFeed, createFeed } from './libp2p/feed.ts';
import type { Feed } from './libp2p/feed.ts';
import { loadIdentity } from './libp2p/identity.ts';
import type { PrivateKey } from './libp2p/identity.ts';
import { createMembers, hangUp, idOf, peerProtocol, streamsPerProtocol } from './libp2p/members.ts';
import type { Members } from './libp2p/members.ts';
import { createStrangers, joinProtocol } from './libp2p/strangers.ts';
import type { Strangers } from './libp2p/strangers.ts';
import type { Connection, NetworkCounters, RemotePeer } from './libp2p/types.ts';

export interface NetworkOptions {
  /** Where the identity is kept; one of `dir` and `privateKey` is given. */
  readonly dir?: string;
  readonly privateKey?: PrivateKey;
  /** `IP:port` or multiaddrs; port 0 takes any that is free. */
  readonly listen: readonly string[];
  /** What others should dial, if that is not where this peer listens. */
  readonly announce?: readonly string[];
  deliver(event: NetworkEvent): void;
}

export type Network = NetworkPort & {
  readonly peerId: PeerId;
  stats(): NetworkStats;
  close(): Promise<void>;
};

/** The id of the peer whose directory this is; its identity is made if there is none. */
export async function createNetworkIdentity(dir: string): Promise<PeerId> {
  return idOf(peerIdFromPrivateKey(await loadIdentity(dir)));
}

/** Listens, and is ready when this returns. Throws an error that names an address it can't listen at. */
export async function createNetwork(options: NetworkOptions): Promise<Network> {
  const key = options.privateKey ?? await loadIdentity(present(options.dir));
  const self = idOf(peerIdFromPrivateKey(key));
  const announce = options.announce?.map(parseAddress);
  const counters: NetworkCounters = { bytesIn: 0, bytesOut: 0, dropped: 0 };
  let closed = false;
  const deliver = (event: NetworkEvent): void => { if (!closed) options.deliver(event); };
  /** For what may happen inside a call. */
  const tell = (event: NetworkEvent): void => queueMicrotask(() => deliver(event));

  const parts: { node?: Libp2p; feed?: Feed } = {};
  const node = (): Libp2p => present(parts.node);
  const members = createMembers({
    self, counters, node,
    onFrame: (from, frame) => deliver({ type: 'message', from, frame }),
    onOpen: (connection) => parts.feed?.connected(connection),
    onDisconnected: (peer) => tell({ type: 'disconnected', peer }),
  });
  const strangers = createStrangers({
    counters,
    connectionsOf: (peer) => openConnections(node(), peerIdFromString(peer)),
    isMember: (peer) => members.has(peer),
    onFrame: (from, frame) => deliver({ type: 'join-message', from, frame }),
    onDoorClosed: (peer) => tell({ type: 'disconnected', peer }),
    forget: (peer) => { node().peerStore.delete(peer).catch(() => undefined); },
  });
  parts.node = await createLibp2p({
    ...settings(key, options.listen), start: false,
    connectionGater: gater(members, strangers),
    services: {
      feed: (components: Parameters<typeof createFeed>[0]['components']) => parts.feed = createFeed({
        components, counters,
        isMember: (peer) => members.has(peer),
        onStranger(stream, connection) {
          stream.abort(new Error('members only'));
          hangUp(connection);
        },
        onFrame: (frame) => deliver({ type: 'feed', frame }),
      }),
    },
  });
  await start(node(), members, strangers, present(parts.feed), options.listen);
  let ticks = 0;
  const tending = setInterval(() => {
    members.tend();
    strangers.tend();
    ticks += 1;
    if (ticks % feedTendTicks === 0) tendFeed(node(), members, present(parts.feed));
  }, limits.linkTendMs);
  tending.unref();
  return {
    self, peerId: self,
    addresses: () => announce?.map(formatAddress) ?? reachable(node().getMultiaddrs()),
    setMembers(list) {
      members.set(list);
      strangers.membersChanged();
    },
    send: (to, frame) => members.send(to, frame),
    publish: (frame) => present(parts.feed).publish(frame),
    dial(address) {
      void dial(node(), address).then((connection) => {
        strangers.dialled(connection);
        tell({ type: 'dialled', address, peer: idOf(connection.remotePeer), error: null });
      }).catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        tell({ type: 'dialled', address, peer: null, error: `${address}: ${reason}` });
      });
    },
    sendJoin: (to, frame) => strangers.send(to, frame),
    stats: () => ({ ...counters, connections: node().getConnections().length }),
    async close() {
      closed = true;
      clearInterval(tending);
      members.close();
      strangers.close();
      await node().stop();
    },
  };
}

function present<T>(value: T | undefined): T {
  assert(value !== undefined, 'the network is used before it is made');
  return value;
}

const openConnections = (node: Libp2p, peer: RemotePeer): Connection[] =>
  node.getConnections(peer).filter(({ status }) => status === 'open');

function settings(privateKey: PrivateKey, listen: readonly string[]): Libp2pOptions {
  return {
    privateKey,
    addresses: { listen: listen.map((text) => parseListenAddress(text).toString()) },
    transports: [tcp()],
    connectionEncrypters: [channel()],
    streamMuxers: [yamux({ maxInboundStreams: 16, maxOutboundStreams: 16 })],
    // Links find out for themselves, by the frames they carry, whether a connection is alive.
    connectionMonitor: { enabled: false },
    connectionManager: {
      maxConnections: limits.connectionsMax + limits.strangersMax,
      maxIncomingPendingConnections: limits.connectionsMax,
      // Peers may share a machine, and all come back at once when one starts again.
      inboundConnectionThreshold: limits.connectionsMax,
      inboundUpgradeTimeout: limits.dialTimeoutMs,
      dialTimeout: limits.dialTimeoutMs * limits.addressesDialledMax,
      addressDialTimeout: limits.dialTimeoutMs,
      inboundStreamProtocolNegotiationTimeout: limits.dialTimeoutMs,
      outboundStreamProtocolNegotiationTimeout: limits.dialTimeoutMs,
      // Addresses are tried in the order of the hints, newest first.
      addressSorter: () => 0,
      reconnectRetries: 0,
    },
  };
}

/** Who may connect is known when the channel has proved who it is: a member, or one of a few strangers. */
function gater(members: Members, strangers: Strangers): NonNullable<Libp2pOptions['connectionGater']> {
  return {
    denyDialMultiaddr: () => false,
    denyInboundEncryptedConnection: (peer) => !members.has(peer) && !strangers.hasRoom(),
  };
}

async function start(
  node: Libp2p, members: Members, strangers: Strangers, feed: Feed, listen: readonly string[],
): Promise<void> {
  node.addEventListener('connection:open', ({ detail: connection }) => {
    if (members.has(connection.remotePeer)) members.connectionOpened(connection);
    else strangers.connectionOpened(connection);
  });
  node.addEventListener('connection:close', ({ detail: connection }) => {
    strangers.connectionClosed(connection);
    members.connectionClosed(connection);
    if (openConnections(node, connection.remotePeer).length === 0) feed.disconnected(connection.remotePeer);
  });
  await node.handle(peerProtocol, (stream, connection) => {
    if (members.has(connection.remotePeer)) return members.streamOpened(stream, connection);
    stream.abort(new Error('members only'));
    return hangUp(connection);
  }, streamsPerProtocol);
  await node.handle(joinProtocol, (stream, connection) => strangers.streamOpened(stream, connection),
    streamsPerProtocol);
  try {
    await node.start();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`can't listen at ${listen.join(', ')}: ${reason}`);
  }
}

/** Longer than an attempt to open a stream may take: there is never more than one under way. */
const feedTendTicks = Math.ceil(limits.dialTimeoutMs / limits.linkTendMs) + 1;

/** gossipsub does not open its stream again when it fails or when one of two connections ends. */
function tendFeed(node: Libp2p, members: Members, feed: Feed): void {
  for (const connection of node.getConnections()) {
    if (connection.status !== 'open' || !members.has(connection.remotePeer)) continue;
    const lettingIn = connection.streams.some(({ protocol }) => protocol === peerProtocol);
    if (lettingIn && !carriesFeed(node.getConnections(connection.remotePeer))) feed.connected(connection);
  }
}

async function dial(node: Libp2p, address: string): Promise<Connection> {
  return node.dial(parseAddress(address), { signal: AbortSignal.timeout(limits.dialTimeoutMs) });
}

