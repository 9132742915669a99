// What peers send and keep, as bytes: one frame is one positional MessagePack array (see `wire/codec.ts` for
// the format and its bounds, `wire/fields.ts` for the guard). The same guard runs in the simulator.
//
// What always holds: equal messages are equal bytes. Decoding never throws: bytes that are no message give a
// `WireRefusal`; everything else has exactly the type it says, within the limits, and shares no memory with
// the frame. A number on the wire, once given a meaning, keeps it: tables grow at the end.

import type { LogMember, SnapshotMeta } from './log/types.ts';
import type { FeedBatch } from './gossip/types.ts';
import type { Command, CommandId } from './state/types.ts';
import type { JoinMessage, PeerMessage } from './messages.ts';
import type { LogsRequest } from './api/request.ts';
import { nodeName, revision } from './ids.ts';
import type { ObjectKey } from './ids.ts';
import { assert, unreachable } from './assert.ts';
import { limits } from './limits.ts';
import { cut, pack, packOwn, unpack } from './wire/codec.ts';
import type { Plain } from './wire/codec.ts';
import { Fields, guarded, isRefusal, malformed } from './wire/fields.ts';
import type { WireRefusal } from './wire/fields.ts';
import {
  packAddresses, packLogMessage, packMember, packMembers, packMeta, readAddresses, readLogMessage, readMember,
  readMembers, readMeta,
} from './wire/log.ts';
import {
  packFeed, packGossipMessage, packRepairMessage, readFeed, readGossipMessage, readRepairMessage,
} from './wire/gossip.ts';
import { packCommand, readCommand, readCommandId } from './wire/command.ts';
import {
  packInput, packOutput, packStreams, readInput, readOutput, readStreams,
} from './wire/flow.ts';
import { packUsage, readUsage } from './wire/usage.ts';

export { isRefusal };
export type { WireRefusal };

export const encodeMessage = (message: PeerMessage): Uint8Array => pack(packMessage(message));
export const decodeMessage = (frame: Uint8Array): PeerMessage | WireRefusal =>
  decode(frame, 'message', limits.messageBytesMax, readMessage);

export const encodeFeed = (batch: FeedBatch): Uint8Array => pack(packFeed(batch));
export const decodeFeed = (frame: Uint8Array): FeedBatch | WireRefusal =>
  decode(frame, 'batch', limits.messageBytesMax, readFeed);

/** May be longer than `limits.entryBytesMax`: who proposes it must look, and refuse it helpfully. */
export const encodeCommand = (command: Command): Uint8Array => packOwn(packCommand(command));
export const decodeCommand = (data: Uint8Array): Command | WireRefusal =>
  decode(data, 'command', limits.entryBytesMax, readCommand);

/** The data of a `config` entry. */
export const encodeMembers = (members: readonly LogMember[]): Uint8Array => packOwn([packMembers(members)]);
export const decodeMembers = (data: Uint8Array): readonly LogMember[] | WireRefusal =>
  decode(data, 'members', limits.messageBytesMax, readMembers);

/** What the disk keeps beside a snapshot's data. */
export const encodeSnapshotMeta = (meta: SnapshotMeta): Uint8Array => packOwn([packMeta(meta)]);
export const decodeSnapshotMeta = (data: Uint8Array): SnapshotMeta | WireRefusal =>
  decode(data, 'meta', limits.messageBytesMax, readMeta);

function decode<T>(
  frame: Uint8Array, what: string, bytesMax: number, read: (fields: Fields) => T,
): T | WireRefusal {
  const unpacked = unpack(frame, bytesMax);
  if ('bad' in unpacked) return { refused: `${what}: ${unpacked.bad}` };
  return guarded(() => {
    const fields = new Fields(unpacked.value, what);
    const result = read(fields);
    fields.end(what);
    return result;
  });
}

/** Positions are the numbers on the wire: add at the end only. */
const kinds = [
  'log', 'gossip', 'repair', 'forward', 'not-appended', 'read', 'read-reply', 'logs-open', 'logs-chunk',
  'logs-credit', 'logs-end', 'logs-close', 'join', 'admit', 'remove', 'flow-open', 'flow-input',
  'flow-output', 'flow-credit', 'flow-close', 'usage-ask', 'usage-reply',
] as const satisfies readonly PeerMessage['kind'][];
const joinTypes = [
  'hello', 'challenge', 'request', 'admitted', 'refused', 'ask', 'stranger',
] as const satisfies readonly JoinMessage['type'][];

function packMessage(m: PeerMessage): Plain {
  const kind = kinds.indexOf(m.kind);
  switch (m.kind) {
    case 'log': return [kind, packLogMessage(m.message)];
    case 'gossip': return [kind, packGossipMessage(m.message)];
    case 'repair': return [kind, packRepairMessage(m.message)];
    case 'forward': return [kind, packForward(m.ids, m.data)];
    case 'not-appended': return [kind, packIds(m.ids), cut(m.reason), m.leader];
    case 'read': return [kind, m.id];
    case 'read-reply': return [kind, m.id, m.index, m.leader];
    case 'logs-open': return [kind, m.stream, packLogs(m.logs), m.credit];
    case 'logs-chunk': return [kind, m.stream, m.sequence, m.data];
    case 'logs-credit': return [kind, m.stream, m.credit];
    case 'logs-end': return [kind, m.stream, m.error === null ? null : cut(m.error)];
    case 'logs-close': return [kind, m.stream];
    case 'join': return [kind, packJoin(m.message)];
    case 'admit': return [kind, packMember(m.member), m.asOf];
    case 'remove': return [kind, m.peer, m.asOf];
    case 'flow-open': return [kind, m.flow, packStreams(m.streams), m.port];
    case 'flow-input': return [kind, m.flow, m.sequence, packInput(m.input)];
    case 'flow-output': return [kind, m.flow, m.sequence, packOutput(m.output)];
    case 'flow-credit': return [kind, m.flow, m.bytes];
    case 'flow-close': return [kind, m.flow];
    case 'usage-ask': return [kind, m.id, m.pods];
    case 'usage-reply': return [kind, m.id, m.usage === null ? null : packUsage(m.usage)];
    default: return unreachable(m);
  }
}

function readMessage(fields: Fields): PeerMessage {
  const kind = fields.word('kind', kinds);
  switch (kind) {
    case 'log': return { kind, message: whole(fields, readLogMessage) };
    case 'gossip': return { kind, message: whole(fields, readGossipMessage) };
    case 'repair': return { kind, message: whole(fields, readRepairMessage) };
    case 'forward': return { kind, ...readForward(fields) };
    case 'not-appended':
      return {
        kind, ids: readIds(fields), reason: fields.text('reason', limits.reasonLengthMax),
        leader: fields.orNull((f) => f.peer('leader')),
      };
    case 'read': return { kind, id: fields.integer('id') };
    case 'read-reply':
      return {
        kind, id: fields.integer('id'), index: fields.orNull((f) => f.index('index')),
        leader: fields.orNull((f) => f.peer('leader')),
      };
    case 'logs-open':
      return {
        kind, stream: readStream(fields), logs: whole(fields, readLogs), credit: fields.integer('credit'),
      };
    case 'logs-chunk':
      return {
        kind, stream: readStream(fields), sequence: fields.integer('sequence'),
        data: fields.bytes('data', limits.logChunkBytes),
      };
    case 'logs-credit': return { kind, stream: readStream(fields), credit: fields.integer('credit') };
    case 'logs-end':
      return {
        kind, stream: readStream(fields),
        error: fields.orNull((f) => f.text('error', limits.reasonLengthMax)),
      };
    case 'logs-close': return { kind, stream: readStream(fields) };
    case 'join': return { kind, message: whole(fields, readJoin) };
    case 'admit': return { kind, member: readMember(fields), asOf: fields.index('asOf') };
    case 'remove': return { kind, peer: fields.peer('peer'), asOf: fields.index('asOf') };
    case 'flow-open':
      return {
        kind, flow: readFlow(fields), streams: whole(fields, readStreams),
        port: fields.integer('port', 65_535),
      };
    case 'flow-input':
      return {
        kind, flow: readFlow(fields), sequence: fields.integer('sequence'), input: whole(fields, readInput),
      };
    case 'flow-output':
      return {
        kind, flow: readFlow(fields), sequence: fields.integer('sequence'), output: whole(fields, readOutput),
      };
    case 'flow-credit': return { kind, flow: readFlow(fields), bytes: fields.integer('bytes') };
    case 'flow-close': return { kind, flow: readFlow(fields) };
    case 'usage-ask': return { kind, id: fields.integer('id'), pods: fields.flag('pods') };
    case 'usage-reply':
      return { kind, id: fields.integer('id'), usage: fields.orNull((f) => whole(f, readUsage)) };
    default: return unreachable(kind);
  }
}

/** A nested array that `read` must use up. */
function whole<T>(fields: Fields, read: (fields: Fields) => T): T {
  const nested = fields.nested('body');
  const result = read(nested);
  nested.end('body');
  return result;
}

const readStream = (fields: Fields): string => fields.text('stream', limits.streamIdLengthMax);
const readFlow = (fields: Fields): string => fields.text('flow', limits.streamIdLengthMax);

// ── commands on their way ────────────────────────────────────────────────────────────────────────────────

/** Commands of one origin and run stand together, under it: for each a sequence number and its bytes. */
function packForward(ids: readonly CommandId[], data: readonly Uint8Array[]): Plain {
  assert(ids.length === data.length, 'each forwarded command has an id');
  const runs: Plain[] = [];
  let run: Plain[] = [], last: CommandId | null = null;
  for (const [i, id] of ids.entries()) {
    if (last === null || last.origin !== id.origin || last.incarnation !== id.incarnation) {
      run = [];
      runs.push(id.origin, id.incarnation, run);
      last = id;
    }
    run.push(id.sequence, data[i] ?? null);
  }
  return runs;
}

function readForward(fields: Fields): { ids: CommandId[]; data: Uint8Array[] } {
  const ids: CommandId[] = [], data: Uint8Array[] = [];
  fields.list('commands', limits.commandsInFlightMax, (runs) => {
    const origin = runs.peer('id.origin');
    const incarnation = runs.integer('id.incarnation', limits.incarnationMax);
    runs.list('commands', limits.commandsInFlightMax - ids.length, (items) => {
      ids.push({ origin, incarnation, sequence: items.integer('id.sequence') });
      data.push(items.bytes('command', limits.entryBytesMax));
    });
  });
  return { ids, data };
}

function packIds(ids: readonly CommandId[]): Plain {
  return ids.flatMap((id) => [id.origin, id.incarnation, id.sequence]);
}

const readIds = (fields: Fields): CommandId[] =>
  fields.list('ids', limits.commandsInFlightMax, readCommandId);

// ── logs ─────────────────────────────────────────────────────────────────────────────────────────────────

function packLogs(r: LogsRequest): Plain {
  return [
    r.pod, r.podUid, r.node, r.container, r.follow, r.previous, r.timestamps, r.tailLines, r.sinceSeconds,
    r.limitBytes,
  ];
}

function readLogs(f: Fields): LogsRequest {
  return {
    pod: f.text('pod', limits.objectKeyLengthMax) as ObjectKey, podUid: f.text('podUid', limits.uidLengthMax),
    node: nodeName(f.text('node', limits.nodeNameLengthMax)),
    container: f.text('container', limits.nodeNameLengthMax), follow: f.flag('follow'),
    previous: f.flag('previous'), timestamps: f.flag('timestamps'),
    tailLines: f.orNull((n) => n.integer('tailLines')),
    sinceSeconds: f.orNull((n) => n.integer('sinceSeconds')),
    limitBytes: f.orNull((n) => n.integer('limitBytes')),
  };
}

// ── join ─────────────────────────────────────────────────────────────────────────────────────────────────

function packJoin(m: JoinMessage): Plain {
  const type = joinTypes.indexOf(m.type);
  switch (m.type) {
    case 'hello': return [type, m.tokenId, m.nonce];
    case 'challenge': return [type, m.greeting, m.nonce, m.proof];
    case 'request': return [type, m.challenge, m.proof, m.name, packAddresses(m.addresses)];
    case 'admitted': return [type, m.clusterId, m.term, m.index, packMembers(m.members)];
    case 'refused': return [type, cut(m.reason), m.retry];
    case 'ask': return [type, m.revision];
    case 'stranger': return [type];
    default: return unreachable(m);
  }
}

const hex = /^[0-9a-f]*$/;

/** A nonce or a proof: hexadecimal, at most as long as a SHA-256. */
function readHex(fields: Fields, what: string): string {
  const text = fields.text(what, 64);
  if (!hex.test(text)) malformed(`${what} is not hexadecimal`);
  return text;
}

function readJoin(fields: Fields): JoinMessage {
  const type = fields.word('type', joinTypes);
  switch (type) {
    case 'hello': return { type, tokenId: fields.text('tokenId', 6), nonce: readHex(fields, 'nonce') };
    case 'challenge':
      return {
        type, greeting: readHex(fields, 'greeting'), nonce: readHex(fields, 'nonce'),
        proof: readHex(fields, 'proof'),
      };
    case 'request':
      return {
        type, challenge: readHex(fields, 'challenge'), proof: readHex(fields, 'proof'),
        name: fields.text('name', limits.nodeNameLengthMax), addresses: readAddresses(fields),
      };
    case 'admitted':
      return {
        type, clusterId: fields.text('clusterId', limits.uidLengthMax), term: fields.term('term'),
        index: fields.index('index'),
        members: readMembers(fields),
      };
    case 'refused':
      return { type, reason: fields.text('reason', limits.reasonLengthMax), retry: fields.flag('retry') };
    case 'ask': return { type, revision: revision(fields.integer('revision')) };
    case 'stranger': return { type };
    default: return unreachable(type);
  }
}
