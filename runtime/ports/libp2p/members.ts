// Links to members: who is dialled, when, and how often. A link is made when something is to be sent, and is
// kept to all members of a small cluster, or to a ring with fingers of a large one, so that the feed reaches
// everyone. What always holds: one dial at a time to one member, with back-off; of two peers that want each
// other, the one with the smaller id dials and the other waits a moment; a member that was removed has no
// link.

import type { Libp2p } from 'libp2p';
import { peerIdFromString } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import type { Multiaddr } from '@multiformats/multiaddr';
import { peerId } from '../../../cluster/ids.ts';
import type { PeerId } from '../../../cluster/ids.ts';
import { limits } from '../../../cluster/limits.ts';
import type { NetworkMember } from '../../../cluster/ports.ts';
import { parseAddress } from './addresses.ts';
import { createLink } from './link.ts';
import type { Link } from './link.ts';
import type { Connection, NetworkCounters, RemotePeer, Stream } from './types.ts';

export const peerProtocol = '/shoal/peer/1';

/** Streams that one connection may have for one protocol in one direction: one, and one being replaced. */
export const streamsPerProtocol = { maxInboundStreams: 2, maxOutboundStreams: 2 } as const;

export interface MembersOptions {
  readonly self: PeerId;
  readonly counters: NetworkCounters;
  node(): Libp2p;
  onFrame(from: PeerId, frame: Uint8Array): void;
  /** The member lets us in on this connection. */
  onOpen(connection: Connection): void;
  onDisconnected(peer: PeerId): void;
}

export interface Members {
  has(peer: RemotePeer): boolean;
  set(members: readonly NetworkMember[]): void;
  send(to: PeerId, frame: Uint8Array): void;
  connectionOpened(connection: Connection): void;
  connectionClosed(connection: Connection): void;
  streamOpened(stream: Stream, connection: Connection): void;
  tend(): void;
  close(): void;
}

interface Member {
  readonly id: PeerId;
  readonly remote: RemotePeer;
  addresses: readonly string[];
  readonly link: Link;
  /** Part of the mesh that is kept up, sent to or not. */
  kept: boolean;
  connecting: boolean;
  backoffMs: number;
  retryAtMs: number;
  /** Ticks since something was sent or heard. */
  idleTicks: number;
}

export function createMembers(options: MembersOptions): Members {
  const members = new Map<string, Member>();
  let closed = false;

  const connectionsOf = (member: Member): Connection[] =>
    options.node().getConnections(member.remote).filter(({ status }) => status === 'open');

  function add({ id }: NetworkMember): void {
    const link = createLink({
      frameBytesMax: limits.messageBytesMax, queueBytesMax: limits.sendQueueBytesMax, keepalive: true,
      counters: options.counters,
      onFrame: (frame) => options.onFrame(id, frame),
      onHeard() {
        member.idleTicks = 0;
        member.backoffMs = 0;
      },
      onBroken(stream, why) {
        for (const connection of connectionsOf(member)) {
          if (connection.streams.includes(stream)) connection.abort(new Error(why));
        }
      },
    });
    const member: Member = {
      id, link, remote: peerIdFromString(id), addresses: [], kept: false, connecting: false,
      backoffMs: 0, retryAtMs: 0, idleTicks: 0,
    };
    members.set(id, member);
    for (const connection of connectionsOf(member)) opened(member, connection);
  }
  function remove(member: Member): void {
    members.delete(member.id);
    member.link.close();
    for (const connection of connectionsOf(member)) hangUp(connection);
  }
  /** Brings the link up if nobody else is about to. Returns at once. */
  function ensure(member: Member): void {
    if (closed || member.connecting || member.link.isOpen() || performance.now() < member.retryAtMs) return;
    member.connecting = true;
    void connect(member).then((done) => {
      member.connecting = false;
      if (done || closed || members.get(member.id) !== member) return;
      backOff(member);
    });
  }
  async function connect(member: Member): Promise<boolean> {
    try {
      // The smaller id dials, or opens the stream; the greater one steps in if it does not.
      if (options.self > member.id) {
        await new Promise((done) => { setTimeout(done, limits.dialYieldMs).unref(); });
      }
      if (closed || members.get(member.id) !== member || member.link.isOpen()) return true;
      const [connection = await dial(member)] = connectionsOf(member);
      await openStream(member, connection);
      return true;
    } catch {
      return false;
    }
  }
  async function dial(member: Member): Promise<Connection> {
    const addresses = dialable(member);
    if (addresses.length === 0) throw new Error(`no address of ${member.id} is known`);
    const signal = AbortSignal.timeout(limits.dialTimeoutMs * addresses.length);
    return options.node().dial(addresses, { signal });
  }
  async function openStream(member: Member, connection: Connection): Promise<void> {
    if (member.link.isOpen()) return;
    try {
      const signal = AbortSignal.timeout(limits.dialTimeoutMs);
      const stream = await connection.newStream(peerProtocol, { signal, ...streamsPerProtocol });
      if (members.get(member.id) === member) attach(member, stream, connection);
      else stream.abort(new Error('no member any more'));
    } catch (error) {
      // A connection that can't even open a stream is dead or not wanted.
      connection.abort(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }
  function attach(member: Member, stream: Stream, connection: Connection): void {
    member.link.attach(stream);
    options.onOpen(connection);
  }
  /** What waits is old by the time of the next try: its senders repeat what still matters. */
  function backOff(member: Member): void {
    member.backoffMs = Math.min(limits.dialBackoffMsMax,
      Math.max(limits.dialBackoffMsMin, member.backoffMs * 2));
    member.retryAtMs = performance.now() + member.backoffMs;
    member.link.clear();
  }
  function opened(member: Member, connection: Connection): void {
    const surplus = connectionsOf(member).length > limits.connectionsPerPeerMax;
    if (surplus) return connection.abort(new Error('too many connections'));
    // The acceptor waits for the dialler's stream; `tend` steps in if none comes.
    if (connection.direction === 'outbound' && !member.connecting) ensure(member);
  }
  /** Above the limit, links that are not part of the mesh go, the longest unused first. */
  function prune(): void {
    const connected = [...members.values()].filter((member) => member.link.isOpen());
    const idle = connected.filter(({ kept }) => !kept).sort((a, b) => b.idleTicks - a.idleTicks);
    for (const member of idle.slice(0, Math.max(0, connected.length - limits.connectionsMax))) {
      for (const connection of connectionsOf(member)) hangUp(connection);
    }
  }
  return {
    has: (peer) => members.has(peer.toString()),
    set(list) {
      const others = list.filter(({ id }) => id !== options.self);
      const wanted = new Map(others.map((member) => [member.id, member]));
      for (const member of [...members.values()]) if (!wanted.has(member.id)) remove(member);
      const kept = meshOf(options.self, [...wanted.keys()]);
      for (const entry of wanted.values()) {
        if (!members.has(entry.id)) add(entry);
        const member = members.get(entry.id);
        if (member === undefined) continue;
        member.addresses = entry.addresses;
        member.kept = kept.has(entry.id);
        if (member.kept) ensure(member);
      }
    },
    send(to, frame) {
      const member = members.get(to);
      if (member === undefined) {
        options.counters.dropped += 1;
        return;
      }
      member.idleTicks = 0;
      member.link.send(frame);
      ensure(member);
    },
    connectionOpened(connection) {
      const member = members.get(connection.remotePeer.toString());
      if (member !== undefined) opened(member, connection);
    },
    connectionClosed(connection) {
      const member = members.get(connection.remotePeer.toString());
      if (member === undefined || connectionsOf(member).length > 0) return;
      member.link.clear();
      if (member.retryAtMs < performance.now()) backOff(member);
      options.onDisconnected(member.id);
    },
    streamOpened(stream, connection) {
      const member = members.get(connection.remotePeer.toString());
      if (member !== undefined) attach(member, stream, connection);
    },
    tend() {
      for (const member of members.values()) {
        member.idleTicks += 1;
        member.link.tend();
        if (member.kept || member.link.queued > 0 || connectionsOf(member).length > 0) ensure(member);
      }
      prune();
    },
    close() {
      closed = true;
      for (const member of members.values()) member.link.close();
    },
  };
}

/** Closes in good order what was sent, or at once if the other end does not go along. */
export function hangUp(connection: Connection): void {
  connection.close({ signal: AbortSignal.timeout(limits.hangUpMs) }).catch((error: unknown) => {
    connection.abort(error instanceof Error ? error : new Error(String(error)));
  });
}

/**
 * Whom a peer keeps links to: everyone in a small cluster; else the members at distances 1, 2, 4, … ahead on
 * the ring of sorted ids, so that some log2(n) links a peer connect any two by some log2(n) hops.
 */
export function meshOf(self: PeerId, others: readonly string[]): ReadonlySet<string> {
  if (others.length < limits.fullMeshMembersMax) return new Set(others);
  const ring = [self, ...others].sort();
  const at = ring.indexOf(self);
  const mesh = new Set<string>();
  for (let distance = 1; distance < ring.length; distance *= 2) {
    const next = ring[(at + distance) % ring.length];
    if (next !== undefined) mesh.add(next);
  }
  return mesh;
}

/** The addresses that make sense, in their order, each with the id that must answer there. */
function dialable(member: Member): Multiaddr[] {
  const addresses: Multiaddr[] = [];
  for (const text of member.addresses) {
    if (addresses.length === limits.addressesDialledMax) break;
    try {
      const [bare = ''] = parseAddress(text).toString().split('/p2p/');
      addresses.push(multiaddr(`${bare}/p2p/${member.id}`));
    } catch {
      // A hint that can't be read is no hint.
    }
  }
  return addresses;
}

export const idOf = (remote: RemotePeer): PeerId => peerId(remote.toString());
