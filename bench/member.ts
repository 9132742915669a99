// A member of the log alone, in a process of its own: the log's step function on the real disk and the real
// network, with nothing to apply. Clients reach the leader over a socket, as they reach etcd.
// Frames of that socket: length u32, number u32, data; the answer to a committed one is its number.

import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { index, term } from '../cluster/ids.ts';
import type { PeerId } from '../cluster/ids.ts';
import { limits } from '../cluster/limits.ts';
import { createLog, describe, step } from '../cluster/log/log.ts';
import type { LogEffect, LogEvent, LogMember, LogRecovery, LogTimer } from '../cluster/log/types.ts';
import type { PeerEvent } from '../cluster/ports.ts';
import { fromU32 } from '../cluster/random.ts';
import { decodeMessage, encodeMembers, encodeMessage, isRefusal } from '../cluster/wire.ts';
import { createClock } from '../runtime/ports/clock.ts';
import { openDisk } from '../runtime/ports/disk.ts';
import { createNetwork, createNetworkIdentity } from '../runtime/ports/libp2p.ts';
import { createRandomPort } from '../runtime/ports/random.ts';

export interface MemberSpec {
  readonly dir: string;
  readonly port: number;
  readonly members: readonly LogMember[];
}

/** Makes the identity of the member that will live in `dir`, so that all can be told of all. */
export const createMemberIdentity = (dir: string): Promise<PeerId> => createNetworkIdentity(dir);

/** The member's own process: tells its client port, and again whenever it begins to lead. */
export function member(): void {
  process.once('message', (spec: MemberSpec) => {
    run(spec).catch((error: unknown) => {
      console.error(error);
      process.exit(1);
    });
  });
}

async function run(spec: MemberSpec): Promise<void> {
  const early: PeerEvent[] = [];
  let deliver = (event: PeerEvent): void => { early.push(event); };
  const disk = await openDisk(spec.dir, (event) => deliver(event));
  const network = await createNetwork({
    dir: spec.dir, listen: [`127.0.0.1:${spec.port}`], deliver: (event) => deliver(event),
  });
  const clock = createClock((event) => deliver(event));
  const random = createRandomPort();
  const log = createLog({ self: network.self }, firstLog(spec.members), fromU32(() => random.u32()));
  const clients = createClients((data) => feed({ type: 'propose', data }));
  let sinceSnapshot = 0;

  function feed(event: LogEvent): void {
    for (const effect of step(log, event, Math.floor(clock.nowMs()))) execute(effect);
  }
  function execute(effect: LogEffect): void {
    switch (effect.type) {
      case 'send': return network.send(effect.to, encodeMessage({ kind: 'log', message: effect.message }));
      case 'persist': return disk.port.write(effect);
      case 'arm': return clock.arm(effect.timer, effect.ms);
      case 'disarm': return clock.disarm(effect.timer);
      case 'proposed': return clients.proposed(effect.first, effect.count);
      case 'commit': {
        clients.committed(effect.entries.at(-1)?.index ?? 0);
        sinceSnapshot += effect.entries.length;
        return compact();
      }
      case 'role': return void (effect.ready && process.send?.({ leads: clients.port() }));
      case 'refused': throw new Error(`the log refused: ${effect.reason}`);
      default: return;
    }
  }
  /** As often as a peer saves its state. */
  function compact(): void {
    if (sinceSnapshot < limits.logEntriesBeforeSnapshot) return;
    sinceSnapshot = 0;
    const { commit, members } = describe(log);
    const at = log.entries.termAt(commit) ?? term(0);
    disk.port.saveSnapshot({ index: commit, term: at, members }, [new Uint8Array(1)],
      index(Math.max(0, commit - limits.logEntriesKept)));
  }
  deliver = (event) => {
    switch (event.type) {
      case 'timer': return feed({ type: 'timer', timer: event.key as LogTimer });
      case 'persisted': return feed({ type: 'persisted', token: event.token });
      case 'snapshot-saved': return feed({ type: 'compacted', index: event.index });
      case 'disk-failed': throw new Error(event.message);
      case 'message': {
        const message = decodeMessage(event.frame);
        if (isRefusal(message) || message.kind !== 'log') throw new Error('not a message of the log');
        return feed({ type: 'message', from: event.from, message: message.message });
      }
      default: return;
    }
  };
  await clients.listening;
  network.setMembers(spec.members.filter(({ id }) => id !== network.self));
  feed({ type: 'start' });
  for (const event of early.splice(0)) deliver(event);
}

/** All voters from the first entry on, as etcd's initial cluster. */
function firstLog(members: readonly LogMember[]): LogRecovery {
  const first = { index: index(1), term: term(1), kind: 'config', data: encodeMembers(members) } as const;
  return {
    hard: { term: term(1), vote: null }, snapshot: { index: index(0), term: term(0), members: [] },
    entries: [first], unsaved: true,
  };
}

// ── clients ──────────────────────────────────────────────────────────────────────────────────────────────

interface Proposal { readonly socket: Socket; readonly number: number }

/** What came in one turn of the loop is proposed together, as a peer does with its clients' commands. */
function createClients(propose: (data: readonly Uint8Array[]) => void) {
  let proposals: Proposal[] = [], data: Uint8Array[] = [];
  const pending: { readonly through: number; readonly proposals: readonly Proposal[] }[] = [];
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', frameReader((number, bytes) => {
      if (proposals.length === 0) setImmediate(flush);
      proposals.push({ socket, number });
      data.push(bytes);
    }));
  });
  const listening = new Promise<void>((done) => { server.listen(0, '127.0.0.1', done); });
  function flush(): void {
    const all = data;
    data = [];
    propose(all);
  }
  return {
    listening,
    port: () => (server.address() as AddressInfo).port,
    proposed(first: number, count: number): void {
      if (proposals.length !== count) return; // The log's own entries have no client.
      pending.push({ through: first + count - 1, proposals });
      proposals = [];
    },
    committed(through: number): void {
      const answers = new Map<Socket, number[]>();
      while (pending[0] !== undefined && pending[0].through <= through) {
        for (const { socket, number } of pending.shift()?.proposals ?? []) {
          const numbers = answers.get(socket);
          if (numbers === undefined) answers.set(socket, [number]);
          else numbers.push(number);
        }
      }
      for (const [socket, numbers] of answers) socket.write(Buffer.from(Uint32Array.from(numbers).buffer));
    },
  };
}

function frameReader(take: (number: number, data: Uint8Array) => void): (data: Buffer) => void {
  let kept: Buffer = Buffer.alloc(0);
  return (data) => {
    const bytes = kept.length === 0 ? data : Buffer.concat([kept, data]);
    let at = 0;
    while (at + 8 <= bytes.length && at + 8 + bytes.readUInt32LE(at) <= bytes.length) {
      const length = bytes.readUInt32LE(at);
      take(bytes.readUInt32LE(at + 4), new Uint8Array(bytes.subarray(at + 8, at + 8 + length)));
      at += 8 + length;
    }
    kept = bytes.subarray(at);
  };
}

export interface MemberClient { append(number: number, data: Uint8Array): Promise<void> }

export async function connectMember(port: number): Promise<MemberClient> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await new Promise<void>((done, fail) => {
    socket.once('connect', done);
    socket.once('error', fail);
  });
  const waiting = new Map<number, () => void>(), unsent: Buffer[] = [];
  let kept: Buffer = Buffer.alloc(0);
  socket.on('data', (data: Buffer) => {
    const bytes = kept.length === 0 ? data : Buffer.concat([kept, data]);
    let at = 0;
    for (; at + 4 <= bytes.length; at += 4) {
      const number = bytes.readUInt32LE(at), done = waiting.get(number);
      waiting.delete(number);
      done?.();
    }
    kept = bytes.subarray(at);
  });
  return {
    append: (number, data) => new Promise((done) => {
      waiting.set(number, done);
      if (unsent.length === 0) queueMicrotask(() => socket.write(Buffer.concat(unsent.splice(0))));
      const head = Buffer.allocUnsafe(8);
      head.writeUInt32LE(data.length, 0);
      head.writeUInt32LE(number, 4);
      unsent.push(head, Buffer.from(data.buffer, data.byteOffset, data.length));
    }),
  };
}
