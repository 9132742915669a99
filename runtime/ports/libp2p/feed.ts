// The commit feed over gossipsub. Members are known from the log, and channels are authenticated, so
// gossipsub is told of members directly: no identify protocol, no signatures (measured: 60 % of its time),
// and a stranger is never one of its peers. What always holds: no byte of the feed goes to, or is taken
// from, anyone but a member.
//
// A message starts with 16 bytes that no other message has: the run's random half and a counter. They are its
// id for gossipsub, which would otherwise hash every message, duplicates included.

import { randomBytes } from 'node:crypto';
import { gossipsub } from '@libp2p/gossipsub';
import type { GossipSub, GossipSubComponents } from '@libp2p/gossipsub';
import { limits } from '../../../cluster/limits.ts';
import type { Connection, NetworkCounters, RemotePeer, Stream } from './types.ts';

const topic = 'shoal/feed/1';
const idBytes = 16;

export interface FeedOptions {
  readonly components: GossipSubComponents;
  readonly counters: NetworkCounters;
  isMember(peer: RemotePeer): boolean;
  /** A stranger tried to open the feed's protocol. */
  onStranger(stream: Stream, connection: Connection): void;
  onFrame(frame: Uint8Array): void;
}

export interface Feed {
  start(): Promise<void>;
  stop(): Promise<void>;
  publish(frame: Uint8Array): void;
  /** A member's connection opened, or its holder became a member. Safe to repeat. */
  connected(connection: Connection): void;
  disconnected(peer: RemotePeer): void;
}

type Registrar = GossipSubComponents['registrar'];
type Topology = Parameters<Registrar['register']>[1];

export function createFeed(options: FeedOptions): Feed {
  const { components, counters } = options;
  const topologies = new Map<string, Topology>();
  const pubsub = gossipsub(gossipOptions())({
    ...pick(components),
    registrar: gate(components.registrar, options, topologies),
  }) as GossipSub & { start(): Promise<void>; stop(): Promise<void> };
  const run = randomBytes(8);
  let count = 0n;

  pubsub.addEventListener('message', ({ detail }) => {
    if (detail.topic !== topic || detail.data.length < idBytes) return;
    counters.bytesIn += detail.data.length;
    options.onFrame(new Uint8Array(detail.data.subarray(idBytes)));
  });
  return {
    async start() {
      await pubsub.start();
      pubsub.subscribe(topic);
    },
    stop: () => pubsub.stop(),
    publish(frame) {
      const message = Buffer.allocUnsafe(idBytes + frame.length);
      run.copy(message);
      message.writeBigUInt64BE(count, 8);
      message.set(frame, idBytes);
      count += 1n;
      counters.bytesOut += message.length;
      pubsub.publish(topic, message).catch(() => { counters.dropped += 1; });
    },
    connected(connection) {
      if (hasOutbound(connection)) return;
      // All protocol versions share one topology; told twice, gossipsub would open two streams.
      const [topology] = topologies.values();
      void topology?.onConnect?.(connection.remotePeer, connection);
    },
    disconnected(peer) {
      for (const topology of topologies.values()) void topology.onDisconnect?.(peer);
    },
  };
}

const hasOutbound = (connection: Connection): boolean => connection.streams.some((stream) =>
  stream.direction === 'outbound' && stream.status === 'open' && isFeedProtocol(stream.protocol));

const isFeedProtocol = (protocol: string): boolean => protocol.startsWith('/meshsub/');

/** Whether any of a member's connections carries this peer's side of the feed. */
export const carriesFeed = (connections: readonly Connection[]): boolean => connections.some(hasOutbound);

function pick(components: GossipSubComponents): Omit<GossipSubComponents, 'registrar'> {
  const { privateKey, peerId, peerStore, connectionManager, logger } = components;
  return { privateKey, peerId, peerStore, connectionManager, logger };
}

/** libp2p's registrar as gossipsub sees it: its streams are members' streams, its topology is fed by us. */
function gate(registrar: Registrar, options: FeedOptions, topologies: Map<string, Topology>): Registrar {
  return {
    ...bound(registrar),
    handle: (protocol, handler, opts) => registrar.handle(protocol, (stream, connection) => {
      if (options.isMember(connection.remotePeer)) return handler(stream, connection);
      return options.onStranger(stream, connection);
    }, opts),
    async register(protocol, topology) {
      topologies.set(protocol, topology);
      return protocol;
    },
    unregister(id) { topologies.delete(id); },
    getTopologies(protocol) {
      const topology = topologies.get(protocol);
      return topology === undefined ? [] : [topology];
    },
  };
}

function bound(registrar: Registrar): Registrar {
  return {
    getProtocols: () => registrar.getProtocols(),
    handle: (...args) => registrar.handle(...args),
    unhandle: (...args) => registrar.unhandle(...args),
    getHandler: (protocol) => registrar.getHandler(protocol),
    register: (...args) => registrar.register(...args),
    unregister: (id) => registrar.unregister(id),
    getTopologies: (protocol) => registrar.getTopologies(protocol),
    use: (protocol, middleware) => registrar.use(protocol, middleware),
    unuse: (protocol) => registrar.unuse(protocol),
    getMiddleware: (protocol) => registrar.getMiddleware(protocol),
  };
}

function gossipOptions(): Parameters<typeof gossipsub>[0] {
  const idOf = (data: Uint8Array | undefined): Uint8Array => (data ?? new Uint8Array(0)).subarray(0, idBytes);
  const idText = (id: Uint8Array): string =>
    Buffer.from(id.buffer, id.byteOffset, id.length).toString('latin1');
  return {
    // Measured at 20 peers: three neighbours and no flooding carry twice as much as the defaults.
    D: 3, Dlo: 2, Dhi: 4, Dscore: 1, Dout: 1, Dlazy: 3, floodPublish: false,
    doPX: false, emitSelf: false, fallbackToFloodsub: false, tagMeshPeers: false,
    allowPublishToZeroTopicPeers: true, ignoreDuplicatePublishError: true,
    globalSignaturePolicy: 'StrictNoSign',
    msgIdFn: (message) => idOf(message.data),
    fastMsgIdFn: (message) => idText(idOf(message.data)),
    msgIdToStrFn: idText,
    allowedTopics: [topic],
    maxInboundDataLength: limits.messageBytesMax + 64 * 1024,
    maxOutboundBufferSize: limits.sendQueueBytesMax,
    // Members are trusted and may share a machine: colocation would leave the mesh empty beyond ten of them.
    scoreParams: { IPColocationFactorWeight: 0, behaviourPenaltyWeight: 0 },
  };
}
