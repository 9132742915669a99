// How gossip looks on the wire: pings with their rumours and beats, the commit feed, repair.

import { assert, unreachable } from '../assert.ts';
import { limits } from '../limits.ts';
import type { Beat, FeedBatch, GossipMessage, Liveness, RepairMessage, Rumour } from '../gossip/types.ts';
import { cut } from './codec.ts';
import type { Plain } from './codec.ts';
import { malformed } from './fields.ts';
import type { Fields } from './fields.ts';
import {
  packAddresses, packEntries, packMeta, readAddresses, readChunk, readEntries, readMeta,
} from './log.ts';

/** Positions are the numbers on the wire: add at the end only. */
const statuses = ['alive', 'suspect', 'dead'] as const satisfies readonly Liveness[];
const gossipTypes = [
  'ping', 'ack', 'nack', 'ping-request',
] as const satisfies readonly GossipMessage['type'][];
const repairTypes = [
  'pull', 'range', 'pull-snapshot', 'snapshot-chunk', 'nothing',
] as const satisfies readonly RepairMessage['type'][];

// ── membership ───────────────────────────────────────────────────────────────────────────────────────────

export function packGossipMessage(m: GossipMessage): Plain {
  assert(m.rumours.length <= limits.rumoursPerMessage, 'too many rumours in a message');
  assert(m.beats.length <= limits.beatsPerMessage, 'too many beats in a message');
  const type = gossipTypes.indexOf(m.type);
  const target = m.type === 'ping-request' ? m.target : null;
  const rumours = m.rumours.flatMap(
    (r): Plain[] => [r.peer, statuses.indexOf(r.status), r.incarnation, r.from]);
  return [type, m.sequence, target, rumours, m.beats.map(packBeat)];
}

export function readGossipMessage(fields: Fields): GossipMessage {
  const type = fields.word('type', gossipTypes);
  const sequence = fields.integer('sequence');
  const target = fields.orNull((f) => f.peer('target'));
  const rumours = fields.list('rumours', limits.rumoursPerMessage, readRumour);
  const beats = fields.list('beats', limits.beatsPerMessage, readBeat);
  if (type !== 'ping-request') {
    if (target !== null) malformed(`a ${type} has no target`);
    return { type, sequence, rumours, beats };
  }
  if (target === null) malformed('target is missing');
  return { type, sequence, target, rumours, beats };
}

function readRumour(items: Fields): Rumour {
  return {
    peer: items.peer('rumour.peer'), status: items.word('rumour.status', statuses),
    incarnation: items.integer('rumour.incarnation', limits.incarnationMax), from: items.peer('rumour.from'),
  };
}

function packBeat(b: Beat): Plain {
  return [
    b.peer, b.incarnation, b.sequence, b.applied, b.freeCpuMilli, b.freeMemoryBytes, b.pressure, b.ready,
    cut(b.reason), packAddresses(b.addresses),
  ];
}

function readBeat(items: Fields): Beat {
  const b = items.nested('beat');
  const beat: Beat = {
    peer: b.peer('beat.peer'), incarnation: b.integer('beat.incarnation', limits.incarnationMax),
    sequence: b.integer('beat.sequence'), applied: b.index('beat.applied'),
    freeCpuMilli: b.integer('beat.freeCpuMilli'), freeMemoryBytes: b.integer('beat.freeMemoryBytes'),
    pressure: b.integer('beat.pressure', 1000), ready: b.flag('beat.ready'),
    reason: b.text('beat.reason', limits.reasonLengthMax), addresses: readAddresses(b),
  };
  b.end('beat');
  return beat;
}

// ── feed and repair ──────────────────────────────────────────────────────────────────────────────────────

export function packFeed(batch: FeedBatch): Plain {
  return [batch.from, batch.term, batch.first, batch.prevTerm, packEntries(batch.first, batch.entries)];
}

export function readFeed(fields: Fields): FeedBatch {
  const from = fields.peer('from');
  const term = fields.term('term');
  const first = fields.index('first');
  const prevTerm = fields.term('prevTerm');
  if (first === 0) malformed('index 0 is before the first entry');
  const entries = readEntries(fields, first, prevTerm, term);
  return { from, term, first, prevTerm, entries };
}

export function packRepairMessage(m: RepairMessage): Plain {
  const type = repairTypes.indexOf(m.type);
  switch (m.type) {
    case 'pull': return [type, m.id, m.first];
    case 'range': return [type, m.id, packFeed(m.batch), m.commit];
    case 'pull-snapshot': return [type, m.id, m.index, m.offset];
    case 'snapshot-chunk': return [type, m.id, packMeta(m.meta), m.offset, m.total, m.data];
    case 'nothing': return [type, m.id, m.applied];
    default: return unreachable(m);
  }
}

export function readRepairMessage(fields: Fields): RepairMessage {
  const type = fields.word('type', repairTypes);
  const id = fields.integer('id');
  switch (type) {
    case 'pull': return { type, id, first: fields.index('first') };
    case 'range': {
      const nested = fields.nested('batch');
      const batch = readFeed(nested);
      nested.end('batch');
      const commit = fields.index('commit');
      if (batch.entries.length === 0) malformed('a range is empty');
      if (commit < batch.first + batch.entries.length - 1) malformed('commit is inside the range');
      return { type, id, batch, commit };
    }
    case 'pull-snapshot':
      return {
        type, id, index: fields.index('index'), offset: fields.integer('offset', limits.snapshotBytesMax),
      };
    case 'snapshot-chunk': {
      const meta = readMeta(fields);
      return { type, id, meta, ...readChunk(fields) };
    }
    case 'nothing': return { type, id, applied: fields.index('applied') };
    default: return unreachable(type);
  }
}
