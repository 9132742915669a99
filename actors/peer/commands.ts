// Commands of this peer on their way into the log: numbered, sent to whoever leads, sent again when nothing
// is heard, answered once this peer's own state has applied them.
//
// What always holds: a command is answered exactly once; the state recognises repeats by their id, so sending
// one again is always safe; at most `commandsInFlightMax` are under way.

import type { PeerId, Term } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { Applied, Command, CommandId, Op } from '../../cluster/state/types.ts';
import { mutable } from '../../cluster/state/state.ts';
import { lastIncarnation } from '../../cluster/state/windows.ts';
import { encodeCommand } from '../../cluster/wire.ts';
import type { SubmitOutcome } from '../services.ts';
import type { Core } from './core.ts';

interface Pending {
  readonly id: CommandId;
  readonly data: Uint8Array;
  readonly done: (outcome: SubmitOutcome) => void;
  readonly deadlineMs: number;
  /** When it was last handed to a leader; null: never, or in vain. */
  sentMs: number | null;
  /** It is in this peer's own log, which it leads, and stays there as long as it leads. */
  appended: boolean;
  /** Hand-overs whose fate is not known; 0: it can't have been appended. */
  uncertain: number;
}

/** A batch of commands for the log, and whom to tell if it can't be appended (null: they are our own). */
export interface Batch {
  readonly from: PeerId | null;
  readonly ids: readonly CommandId[];
  readonly data: readonly Uint8Array[];
}

export interface Commands {
  submit(ops: readonly Op[], fence: Term | null, done: (outcome: SubmitOutcome) => void): void;
  /** The leader changed (null: unknown): what is under way goes to the new one at once. */
  leaderChanged(leader: PeerId | null): void;
  /** This peer's own log did not take them, so they were never appended by this hand-over. */
  notAppended(ids: readonly CommandId[]): void;
  applied(applied: Applied): void;
  /** A snapshot replaced the state: outcomes of what it covers can't be known any more. */
  installed(wasApplied: (id: CommandId) => boolean): void;
  inFlight(): number;
}

export interface CommandHooks {
  /** Append here: this peer leads. */
  propose(batch: Batch): void;
  forward(to: PeerId, ids: readonly CommandId[], data: readonly Uint8Array[]): void;
  /** For messages: which voters can't be reached. */
  unreachable(): readonly string[];
}

export function createCommands(core: Core, hooks: CommandHooks): Commands {
  const pending = new Map<number, Pending>();
  /** The run that commands are numbered in: the latest that the state knows of this peer, or a later one. */
  let run = core.incarnation;
  let sequence = 0;
  let leader: PeerId | null = null;
  /** Since when there is no leader. */
  let leaderlessMs = core.now();
  let outbox: Pending[] = [];

  const isHopeless = (): boolean => leader === null && core.now() - leaderlessMs >= limits.noLeaderPatienceMs;
  const noLeader = (): SubmitOutcome =>
    unavailable(`no leader: cannot reach voters ${hooks.unreachable().join(', ') || '(all seem alive)'}`);

  function submit(ops: readonly Op[], fence: Term | null, done: (outcome: SubmitOutcome) => void): void {
    if (pending.size >= limits.commandsInFlightMax) {
      core.defer(() => done(overloaded));
      return;
    }
    if (isHopeless()) {
      core.defer(() => done(noLeader()));
      return;
    }
    const id = nextId();
    const command: Command = fence === null ? { id, ops } : { id, fence, ops };
    const data = encodeCommand(command);
    if (data.length > limits.entryBytesMax) {
      core.defer(() => done(tooLarge(data.length)));
      return;
    }
    const entry: Pending = { id, data, done, deadlineMs: core.now() + limits.commandTimeoutMs, sentMs: null,
      appended: false, uncertain: 0 };
    if (pending.size === 0) core.arm('commands/retry', limits.commandRetryMs, retry);
    pending.set(sequence, entry);
    enqueue(entry);
  }

  /**
   * A peer that lost its disk has forgotten its runs, and its clock may have been ahead when the last one
   * began: the state has not. What that run has under way is not to be taken for a command of this one.
   */
  function nextId(): CommandId {
    const known = lastRun();
    // Its first command: what is known of this very run is of one that began at the same time of day.
    if (known > run || (known === run && sequence === 0)) {
      run = known + 1 + core.random.below(limits.runsSkippedMax);
      core.ports.disk.saveFact('incarnation', String(run));
    }
    sequence += 1;
    return { origin: core.self, incarnation: run, sequence };
  }

  const lastRun = (): number => lastIncarnation(mutable(core.state), core.self);

  function enqueue(entry: Pending): void {
    if (outbox.length === 0) core.arm('commands/flush', 0, flush);
    outbox.push(entry);
  }

  /** Everything that was submitted since the last flush shares one append, or one message to the leader. */
  function flush(): void {
    const batch = outbox.filter((entry) => pending.has(entry.id.sequence));
    outbox = [];
    if (leader === null) return;
    for (const part of splitBySize(batch)) {
      for (const entry of part) {
        entry.sentMs = core.now();
        entry.appended = leader === core.self;
        entry.uncertain += 1;
      }
      const ids = part.map((entry) => entry.id), data = part.map((entry) => entry.data);
      if (leader === core.self) hooks.propose({ from: null, ids, data });
      else hooks.forward(leader, ids, data);
    }
  }

  function retry(): void {
    const now = core.now();
    const queued = new Set(outbox.map((entry) => entry.id.sequence));
    for (const entry of [...pending.values()]) {
      if (now >= entry.deadlineMs) finish(entry, expired(entry));
      else if (entry.uncertain === 0 && isHopeless()) finish(entry, noLeader());
      else if (!entry.appended && !queued.has(entry.id.sequence)
        && now - (entry.sentMs ?? 0) >= limits.commandRetryMs) enqueue(entry);
    }
    if (pending.size > 0) core.arm('commands/retry', limits.commandRetryMs, retry);
  }

  function finish(entry: Pending, outcome: SubmitOutcome): void {
    pending.delete(entry.id.sequence);
    core.defer(() => entry.done(outcome));
  }

  return {
    submit,
    leaderChanged(next) {
      if (next === null && leader !== null) leaderlessMs = core.now();
      leader = next;
      for (const entry of pending.values()) entry.appended = false;
      if (next === null) return;
      const queued = new Set(outbox);
      for (const entry of pending.values()) if (!queued.has(entry)) enqueue(entry);
    },
    notAppended(ids) {
      for (const id of ids) {
        const entry = pending.get(id.sequence);
        if (entry === undefined) continue;
        entry.uncertain -= 1;
        entry.appended = false;
        entry.sentMs = null;
      }
      core.trace('commands', 'not-appended', { count: ids.length });
    },
    applied(applied) {
      const { id } = applied;
      if (id === null || id.origin !== core.self) return;
      const entry = pending.get(id.sequence);
      if (entry === undefined || entry.id.incarnation !== id.incarnation) return;
      const tooOld = !applied.outcome.ok && applied.outcome.refusal.reason === 'TooOld';
      if (tooOld && !applied.duplicate && id.incarnation < lastRun()) {
        return finish(entry,
          unavailable('it was numbered as in a former run; nothing was changed, try again'));
      }
      finish(entry, applied.duplicate ? uncertain('it was applied, but its outcome is not known')
        : applied.outcome);
    },
    installed(wasApplied) {
      for (const entry of [...pending.values()]) {
        if (wasApplied(entry.id)) finish(entry, uncertain('it was applied, but its outcome is not known'));
      }
    },
    inFlight: () => pending.size,
  };
}

function expired(entry: Pending): SubmitOutcome {
  return entry.uncertain === 0
    ? unavailable('the leader did not take it; nothing was changed')
    : uncertain('no quorum confirmed it in time; it may still be applied');
}

function uncertain(message: string): SubmitOutcome {
  return { ok: false, refusal: { reason: 'Unavailable', message, uncertain: true } };
}

export function unavailable(message: string): SubmitOutcome {
  return { ok: false, refusal: { reason: 'Unavailable', message } };
}

const overloaded: SubmitOutcome = {
  ok: false,
  refusal: {
    reason: 'Unavailable', message: 'too many writes are under way on this peer; please try again later',
    overloaded: true,
  },
};

function tooLarge(bytes: number): SubmitOutcome {
  const message = `the object is too large: ${bytes} bytes, at most ${limits.entryBytesMax}`;
  return { ok: false, refusal: { reason: 'Invalid', message } };
}

function splitBySize(batch: readonly Pending[]): Pending[][] {
  const parts: Pending[][] = [];
  let part: Pending[] = [], bytes = 0;
  for (const entry of batch) {
    if (part.length > 0 && bytes + entry.data.length > limits.appendBytesMax) {
      parts.push(part);
      part = [];
      bytes = 0;
    }
    part.push(entry);
    bytes += entry.data.length;
  }
  if (part.length > 0) parts.push(part);
  return parts;
}
