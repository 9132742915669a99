// How the log's shapes look on the wire and on disk: positional arrays. Entries are contiguous, so only the
// first index is sent; each entry is three fields in one flat array, which keeps an append cheap.

import type { Index, Term } from '../ids.ts';
import { index } from '../ids.ts';
import { assert, unreachable } from '../assert.ts';
import { limits } from '../limits.ts';
import type { Entry, LogMember, LogMessage, SnapshotMeta } from '../log/types.ts';
import type { Plain } from './codec.ts';
import { malformed } from './fields.ts';
import type { Fields } from './fields.ts';

/** Positions are the numbers on the wire: add at the end only. */
const entryKinds = ['noop', 'command', 'config'] as const;
const messageTypes = [
  'pre-vote', 'vote', 'pre-vote-reply', 'vote-reply', 'append', 'append-reply', 'snapshot', 'snapshot-reply',
  'timeout-now',
] as const satisfies readonly LogMessage['type'][];

// ── entries ──────────────────────────────────────────────────────────────────────────────────────────────

export function packEntries(first: Index, entries: readonly Entry[]): Plain {
  const flat: Plain[] = new Array<Plain>(entries.length * 3);
  let at = 0;
  for (const entry of entries) {
    assert(entry.index === first + at / 3, 'entries on the wire are contiguous');
    flat[at] = entry.term;
    flat[at + 1] = entryKinds.indexOf(entry.kind);
    flat[at + 2] = entry.data;
    at += 3;
  }
  return flat;
}

/** Terms never fall along a log, start at `prevTerm` or above, and none is above the sender's `termMax`. */
export function readEntries(fields: Fields, first: number, prevTerm: Term, termMax: Term): Entry[] {
  let at = first;
  let lastTerm: number = prevTerm;
  if (prevTerm > termMax) malformed('prevTerm is above the term');
  return fields.list('entries', limits.uncommittedEntriesMax, (items) => {
    const term = items.term('entry.term');
    if (term < lastTerm || term > termMax) malformed('entry.term is out of order');
    lastTerm = term;
    const kind = items.word('entry.kind', entryKinds);
    const data = items.bytes('entry.data', limits.entryBytesMax);
    if (kind === 'noop' && data.length > 0) malformed('a noop entry has data');
    if (!Number.isSafeInteger(at)) malformed('entry.index is too large');
    return { index: index(at++), term, kind, data };
  });
}

// ── members ──────────────────────────────────────────────────────────────────────────────────────────────

export function packMember(member: LogMember): Plain {
  return [member.id, member.name, packAddresses(member.addresses), member.voter];
}

export function packMembers(members: readonly LogMember[]): Plain {
  return members.map(packMember);
}

export function readMember(fields: Fields): LogMember {
  const member = fields.nested('member');
  const id = member.peer('member.id');
  const name = member.text('member.name', limits.nodeNameLengthMax);
  const addresses = readAddresses(member);
  const voter = member.flag('member.voter');
  member.end('member');
  return { id, name, addresses, voter };
}

export function readMembers(fields: Fields): LogMember[] {
  const seen = new Set<string>();
  return fields.list('members', limits.membersMax, (items) => {
    const member = readMember(items);
    if (seen.has(member.id)) malformed('members names one peer twice');
    seen.add(member.id);
    return member;
  });
}

/** Addresses are hints: the first few usable ones are enough. */
export function packAddresses(addresses: readonly string[]): Plain {
  return addresses.filter((each) => each.length <= limits.addressLengthMax).slice(0, limits.addressesMax);
}

export function readAddresses(fields: Fields): string[] {
  return fields.list(
    'addresses', limits.addressesMax, (items) => items.text('address', limits.addressLengthMax));
}

export function packMeta(meta: SnapshotMeta): Plain {
  return [meta.index, meta.term, packMembers(meta.members)];
}

export function readMeta(fields: Fields): SnapshotMeta {
  const meta = fields.nested('meta');
  const result = { index: meta.index('index'), term: meta.term('term'), members: readMembers(meta) };
  meta.end('meta');
  return result;
}

/** A piece of a snapshot: where it lies in the whole, and that it does lie in it. */
export function readChunk(fields: Fields): { offset: number; total: number; data: Uint8Array } {
  const offset = fields.integer('offset', limits.snapshotBytesMax);
  const total = fields.integer('total', limits.snapshotBytesMax);
  const data = fields.bytes('data', limits.snapshotChunkBytes);
  if (offset + data.length > total) malformed('the chunk ends behind the snapshot');
  return { offset, total, data };
}

// ── messages ─────────────────────────────────────────────────────────────────────────────────────────────

export function packLogMessage(m: LogMessage): Plain {
  const type = messageTypes.indexOf(m.type);
  switch (m.type) {
    case 'pre-vote': case 'vote': return [type, m.term, m.lastIndex, m.lastTerm, m.forced === true];
    case 'pre-vote-reply': case 'vote-reply': return [type, m.term, m.granted];
    case 'append': {
      const entries = packEntries(index(m.prevIndex + 1), m.entries);
      return [type, m.term, m.prevIndex, m.prevTerm, m.commit, m.round, entries];
    }
    case 'append-reply': 
      return [type, m.term, m.ok, m.round, m.index, m.hintTerm, m.rejected ?? null];
    case 'snapshot': return [type, m.term, packMeta(m.meta), m.offset, m.total, m.data, m.round];
    case 'snapshot-reply': return [type, m.term, m.index, m.received, m.done, m.round];
    case 'timeout-now': return [type, m.term];
    default: return unreachable(m);
  }
}

export function readLogMessage(fields: Fields): LogMessage {
  const type = fields.word('type', messageTypes);
  const term = fields.term('term');
  switch (type) {
    case 'pre-vote': case 'vote':
      return {
        type, term, lastIndex: fields.index('lastIndex'), lastTerm: fields.term('lastTerm'),
        ...(fields.flag('forced') ? { forced: true } : {}),
      };
    case 'pre-vote-reply': case 'vote-reply': return { type, term, granted: fields.flag('granted') };
    case 'append': {
      const prevIndex = fields.index('prevIndex');
      const prevTerm = fields.term('prevTerm');
      const commit = fields.index('commit');
      const round = fields.integer('round');
      const entries = readEntries(fields, prevIndex + 1, prevTerm, term);
      return { type, term, prevIndex, prevTerm, commit, entries, round };
    }
    case 'append-reply': {
      const reply = {
        type, term, ok: fields.flag('ok'), round: fields.integer('round'), index: fields.index('index'),
        hintTerm: fields.term('hintTerm'),
      };
      const rejected = fields.orNull((f) => f.index('rejected'));
      return rejected === null ? reply : { ...reply, rejected };
    }
    case 'snapshot': {
      const meta = readMeta(fields);
      return { type, term, meta, ...readChunk(fields), round: fields.integer('round') };
    }
    case 'snapshot-reply':
      return {
        type, term, index: fields.index('index'),
        received: fields.integer('received', limits.snapshotBytesMax),
        done: fields.flag('done'), round: fields.integer('round'),
      };
    case 'timeout-now': return { type, term };
    default: return unreachable(type);
  }
}
