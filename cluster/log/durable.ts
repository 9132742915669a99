// What waits for the disk. A step collects what must be written; at its end one `persist` effect carries it
// all, and every message that depends on it is held until that write and all before it are acknowledged.
// Several writes may be under way: nobody waits for a disk but the messages that must.
// What always holds: tokens grow by one; held messages leave in the order they were made.

import { index as toIndex } from '../ids.ts';
import type { Index, PeerId } from '../ids.ts';
import { limits } from '../limits.ts';
import type { Log } from './log.ts';
import type { Entry, LogEffect, LogMessage, SnapshotMeta } from './types.ts';

export interface Durable {
  /** The last token handed out, and the last one acknowledged. */
  lastToken: number;
  persistedToken: number;
  /** Own entries up to here are on stable storage. Only ever counted by a leader, whose log never shrinks. */
  index: Index;
  /** Writes under way: once `token` is acknowledged, the log is durable up to `index`. */
  writes: { readonly token: number; readonly sinceMs: number; index: Index }[];
  held: { readonly token: number; readonly to: PeerId; readonly message: LogMessage }[];
  // Collected in this step:
  hardChanged: boolean;
  truncateAfter: Index | null;
  unsaved: readonly Entry[];
  snapshot: { readonly meta: SnapshotMeta; readonly data: Uint8Array } | null;
  replies: { readonly to: PeerId; readonly message: LogMessage }[];
}

export function createDurable(index: Index): Durable {
  return {
    lastToken: 0, persistedToken: 0, index, writes: [], held: [],
    hardChanged: false, truncateAfter: null, unsaved: [], snapshot: null, replies: [],
  };
}

/** Sends what depends on nothing that isn't durable already. */
export function send(log: Log, to: PeerId, message: LogMessage): void {
  log.out.push({ type: 'send', to, message });
}

/** Sends as soon as everything that this log has said and written so far is durable. */
export function sendDurably(log: Log, to: PeerId, message: LogMessage): void {
  log.durable.replies.push({ to, message });
}

/** The token that will cover what this step has changed. */
export function tokenOfThisStep(log: Log): number {
  return log.durable.lastToken + (hasChanges(log.durable) ? 1 : 0);
}

export function noteAppended(log: Log, entries: readonly Entry[]): void {
  const { durable } = log;
  durable.unsaved = durable.unsaved.length === 0 ? entries : [...durable.unsaved, ...entries];
}

export function noteTruncated(log: Log, after: Index): void {
  const { durable } = log;
  durable.truncateAfter = toIndex(Math.min(durable.truncateAfter ?? after, after));
  durable.unsaved = durable.unsaved.filter((entry) => entry.index <= after);
  durable.index = toIndex(Math.min(durable.index, after));
  for (const write of durable.writes) write.index = toIndex(Math.min(write.index, after));
}

/** The end of a step: one write for all that changed, then the messages, at once or held. */
export function flush(log: Log): void {
  const { durable, out } = log;
  if (hasChanges(durable)) {
    durable.lastToken += 1;
    out.push(takeChanges(log, durable.lastToken));
    durable.writes.push({ token: durable.lastToken, sinceMs: log.nowMs, index: log.entries.lastIndex });
  }
  if (durable.replies.length === 0) return;
  const token = durable.lastToken;
  for (const { to, message } of durable.replies) {
    if (durable.persistedToken === token) send(log, to, message);
    else if (durable.held.length < limits.heldMessagesMax) durable.held.push({ token, to, message });
  }
  durable.replies = [];
}

function hasChanges(durable: Durable): boolean {
  return durable.hardChanged || durable.truncateAfter !== null || durable.unsaved.length > 0
    || durable.snapshot !== null;
}

function takeChanges(log: Log, token: number): LogEffect {
  const { durable } = log;
  const { truncateAfter, unsaved, snapshot } = durable;
  const effect: LogEffect = {
    type: 'persist', token,
    ...(durable.hardChanged ? { hard: { term: log.term, vote: log.vote } } : {}),
    ...(truncateAfter === null ? {} : { truncateAfter }),
    entries: unsaved,
    ...(snapshot === null ? {} : { snapshot }),
  };
  durable.hardChanged = false;
  durable.truncateAfter = null;
  durable.unsaved = [];
  durable.snapshot = null;
  return effect;
}

/** The disk acknowledged `token` and all before it. */
export function onPersisted(log: Log, token: number): void {
  const { durable } = log;
  if (token <= durable.persistedToken || token > durable.lastToken) return;
  durable.persistedToken = token;
  let done = 0;
  for (const write of durable.writes) {
    if (write.token > token) break;
    durable.index = write.index;
    done += 1;
  }
  durable.writes.splice(0, done);
  let sent = 0;
  for (const { token: needed, to, message } of durable.held) {
    if (needed > token) break;
    send(log, to, message);
    sent += 1;
  }
  durable.held.splice(0, sent);
}
