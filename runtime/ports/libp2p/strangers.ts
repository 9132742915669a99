// The door: connections with peers that are no members. A stranger may speak the join protocol and nothing
// else, not for long, and few at a time. What always holds: nothing but join frames, which the core decides
// on, is ever sent to a stranger; a stranger that says nothing, or opens another protocol, is closed.

import type { PeerId } from '../../../cluster/ids.ts';
import { limits } from '../../../cluster/limits.ts';
import { createLink } from './link.ts';
import type { Link } from './link.ts';
import { hangUp, idOf, streamsPerProtocol } from './members.ts';
import type { Connection, NetworkCounters, RemotePeer, Stream } from './types.ts';

export const joinProtocol = '/shoal/join/1';

export interface StrangersOptions {
  readonly counters: NetworkCounters;
  connectionsOf(peer: PeerId): readonly Connection[];
  isMember(peer: RemotePeer): boolean;
  onFrame(from: PeerId, frame: Uint8Array): void;
  /** A peer that we had dialled to join through is gone. */
  onDoorClosed(peer: PeerId): void;
  /** Nothing about this peer need be remembered. */
  forget(peer: RemotePeer): void;
}

export interface Strangers {
  /** Whether one more may come in. */
  hasRoom(): boolean;
  connectionOpened(connection: Connection): void;
  connectionClosed(connection: Connection): void;
  /** This stranger was dialled by us: it is our door. */
  dialled(connection: Connection): void;
  streamOpened(stream: Stream, connection: Connection): void;
  send(to: PeerId, frame: Uint8Array): void;
  /** Members may have become strangers' equals: those are left alone from now on. */
  membersChanged(): void;
  tend(): void;
  close(): void;
}

interface Visit { readonly sinceMs: number; lastMs: number; spoke: boolean; door: boolean }
interface Talk { readonly link: Link; opening: boolean }

export function createStrangers(options: StrangersOptions): Strangers {
  const visits = new Map<Connection, Visit>();
  const talks = new Map<PeerId, Talk>();

  function note(peer: PeerId): void {
    for (const [connection, visit] of visits) {
      if (idOf(connection.remotePeer) !== peer) continue;
      visit.lastMs = performance.now();
      visit.spoke = true;
    }
  }
  function talkWith(peer: PeerId): Talk {
    const known = talks.get(peer);
    if (known !== undefined) return known;
    const link = createLink({
      frameBytesMax: limits.joinFrameBytesMax, queueBytesMax: limits.joinQueueBytesMax, keepalive: false,
      counters: options.counters,
      onFrame(frame) {
        note(peer);
        options.onFrame(peer, frame);
      },
      onHeard: () => undefined,
      onBroken(_stream, why) {
        for (const connection of options.connectionsOf(peer)) connection.abort(new Error(why));
      },
    });
    const talk = { link, opening: false };
    talks.set(peer, talk);
    return talk;
  }
  async function open(peer: PeerId, talk: Talk): Promise<void> {
    const [connection] = options.connectionsOf(peer);
    if (connection === undefined) return talk.link.clear();
    try {
      const signal = AbortSignal.timeout(limits.dialTimeoutMs);
      talk.link.attach(await connection.newStream(joinProtocol, { signal, ...streamsPerProtocol }));
    } catch (error) {
      connection.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }
  function overdue(visit: Visit, nowMs: number): boolean {
    const silenceMsMax = visit.spoke || visit.door ? limits.joinSilenceMsMax : limits.strangerSilenceMsMax;
    return nowMs - visit.lastMs > silenceMsMax || nowMs - visit.sinceMs > limits.joinDurationMsMax;
  }
  return {
    hasRoom: () => visits.size < limits.strangersMax,
    connectionOpened(connection) {
      if (visits.size >= limits.strangersMax) return hangUp(connection);
      const nowMs = performance.now();
      visits.set(connection, { sinceMs: nowMs, lastMs: nowMs, spoke: false, door: false });
    },
    connectionClosed(connection) {
      const visit = visits.get(connection);
      visits.delete(connection);
      const peer = idOf(connection.remotePeer);
      if (options.connectionsOf(peer).length > 0) return;
      talks.get(peer)?.link.close();
      talks.delete(peer);
      if (visit === undefined) return;
      options.forget(connection.remotePeer);
      if (visit.door) options.onDoorClosed(peer);
    },
    dialled(connection) {
      const visit = visits.get(connection);
      if (visit !== undefined) visit.door = true;
    },
    streamOpened(stream, connection) {
      talkWith(idOf(connection.remotePeer)).link.attach(stream);
    },
    send(to, frame) {
      if (options.connectionsOf(to).length === 0) {
        options.counters.dropped += 1;
        return;
      }
      note(to);
      const talk = talkWith(to);
      talk.link.send(frame);
      if (talk.link.isOpen() || talk.opening) return;
      talk.opening = true;
      void open(to, talk).finally(() => { talk.opening = false; });
    },
    membersChanged() {
      for (const connection of [...visits.keys()]) {
        if (options.isMember(connection.remotePeer)) visits.delete(connection);
      }
    },
    tend() {
      const nowMs = performance.now();
      for (const [connection, visit] of [...visits]) if (overdue(visit, nowMs)) hangUp(connection);
    },
    close() {
      for (const { link } of talks.values()) link.close();
    },
  };
}
