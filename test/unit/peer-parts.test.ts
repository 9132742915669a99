// Parts of a peer that others only meet through it: commands on their way into the log, calls to the runtime.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createCommands } from '../../actors/peer/commands.ts';
import type { Batch, Commands } from '../../actors/peer/commands.ts';
import type { Core } from '../../actors/peer/core.ts';
import { createRuntimeCalls } from '../../actors/peer/runtime.ts';
import { createLogStreams } from '../../actors/peer/streams.ts';
import type { RuntimeResult, SubmitOutcome } from '../../actors/services.ts';
import { index, objectKey, peerId, resourceName, revision } from '../../cluster/ids.ts';
import type { LogsRequest } from '../../cluster/api/request.ts';
import { limits } from '../../cluster/limits.ts';
import type { PeerMessage } from '../../cluster/messages.ts';
import type { RuntimeCall } from '../../cluster/ports.ts';
import { createState } from '../../cluster/state/state.ts';
import type { Applied, CommandId, Op } from '../../cluster/state/types.ts';

const self = peerId('self'), other = peerId('other');

/** Time that passes when told to, and deferred work that is done at once after what caused it. */
function createTime() {
  const armed = new Map<string, { readonly atMs: number; readonly work: () => void }>();
  const calls: RuntimeCall[] = [];
  let nowMs = 0, deferred: (() => void)[] = [];
  const drain = (): void => {
    for (let work = deferred.shift(); work !== undefined; work = deferred.shift()) work();
  };
  const core = {
    self, incarnation: 7, now: () => nowMs, trace: () => undefined,
    state: createState(),
    defer: (work: () => void) => { deferred.push(work); },
    arm: (key: string, ms: number, work: () => void) => { armed.set(key, { atMs: nowMs + ms, work }); },
    disarm: (key: string) => { armed.delete(key); },
    ports: { containers: { call: (_op: string, call: RuntimeCall) => { calls.push(call); } } },
  } as unknown as Core;
  return {
    core, calls, drain,
    pass(ms: number): void {
      const untilMs = nowMs + ms;
      for (;;) {
        const [due] = [...armed].filter(([, { atMs }]) => atMs <= untilMs)
          .sort((a, b) => a[1].atMs - b[1].atMs);
        if (due === undefined) break;
        armed.delete(due[0]);
        nowMs = due[1].atMs;
        due[1].work();
        drain();
      }
      nowMs = untilMs;
    },
    armed: () => [...armed.keys()],
  };
}

// ── commands ─────────────────────────────────────────────────────────────────────────────────────────────

interface Desk {
  readonly time: ReturnType<typeof createTime>;
  readonly commands: Commands;
  readonly proposed: Batch[];
  readonly forwarded: CommandId[];
  readonly outcomes: SubmitOutcome[];
  submit(): void;
  /** The only command so far, as applied. */
  apply(duplicate?: boolean): void;
}

function createDesk(): Desk {
  const time = createTime();
  const proposed: Batch[] = [], forwarded: CommandId[] = [], outcomes: SubmitOutcome[] = [];
  const commands = createCommands(time.core, {
    propose: (batch) => { proposed.push(batch); },
    forward: (_to, ids) => { forwarded.push(...ids); },
    unreachable: () => ['peer-2', 'peer-3'],
  });
  const op: Op = { op: 'delete', key: objectKey(resourceName('core/configmaps'), 'default', 'x') };
  const id: CommandId = { origin: self, incarnation: 7, sequence: 1 };
  return {
    time, commands, proposed, forwarded, outcomes,
    submit: () => commands.submit([op], null, (outcome) => { outcomes.push(outcome); }),
    apply(duplicate = false) {
      const outcome: Applied['outcome'] = { ok: true, revision: revision(1), objects: [] };
      commands.applied({ index: index(1), id, duplicate, changes: [], outcome });
      time.drain();
    },
  };
}

const told = ({ outcomes }: Desk): unknown[] => outcomes.map((outcome) =>
  outcome.ok ? 'applied' : 'uncertain' in outcome.refusal ? 'uncertain' : outcome.refusal.message);

test('what is in the own log is not appended again, however long it takes', () => {
  const desk = createDesk();
  desk.commands.leaderChanged(self);
  desk.submit();
  desk.time.pass(5 * limits.commandRetryMs);
  assert.is(desk.proposed.length, 1);
  desk.apply();
  assert.equal(told(desk), ['applied']);
});

test('what the own log refused is tried again', () => {
  const desk = createDesk();
  desk.commands.leaderChanged(self);
  desk.submit();
  desk.time.pass(1);
  desk.commands.notAppended(desk.proposed[0]?.ids ?? []);
  desk.time.pass(2 * limits.commandRetryMs);
  assert.is(desk.proposed.length, 2);
});

test('what was handed to another is sent again, and to the next leader at once', () => {
  const desk = createDesk();
  desk.commands.leaderChanged(other);
  desk.submit();
  desk.time.pass(2 * limits.commandRetryMs + 1);
  assert.is(desk.forwarded.length, 3);
  desk.commands.leaderChanged(self);
  desk.time.pass(1);
  assert.is(desk.proposed.length, 1);
  desk.apply();
  desk.apply(true);
  assert.equal(told(desk), ['applied'], 'answered once');
});

test('a write that may have been appended is uncertain, one that was not is refused by name', () => {
  const sent = createDesk();
  sent.commands.leaderChanged(other);
  sent.submit();
  sent.time.pass(1);
  sent.commands.leaderChanged(null);
  sent.time.pass(limits.commandTimeoutMs + limits.commandRetryMs);
  assert.equal(told(sent), ['uncertain']);

  const kept = createDesk();
  kept.submit();
  kept.time.pass(limits.noLeaderPatienceMs + limits.commandRetryMs);
  kept.submit();
  kept.time.drain();
  assert.equal(told(kept), Array(2).fill('no leader: cannot reach voters peer-2, peer-3'));
});

test('more writes than a peer has room for are turned away at once', () => {
  const desk = createDesk();
  desk.commands.leaderChanged(other);
  for (let n = 0; n <= limits.commandsInFlightMax; n += 1) desk.submit();
  desk.time.drain();
  assert.equal(told(desk), ['too many writes are under way on this peer; please try again later']);
  assert.is(desk.commands.inFlight(), limits.commandsInFlightMax);
});

test('outcomes that a snapshot swallowed are uncertain, the others still come', () => {
  const desk = createDesk();
  desk.commands.leaderChanged(other);
  desk.submit();
  desk.submit();
  desk.time.pass(1);
  desk.commands.installed(({ sequence }) => sequence === 2);
  desk.time.drain();
  assert.equal(told(desk), ['uncertain']);
  desk.apply();
  assert.equal(told(desk), ['uncertain', 'applied']);
});

// ── runtime ──────────────────────────────────────────────────────────────────────────────────────────────

test('a pull may take long, a call may not; what comes too late is nobody\'s', () => {
  const time = createTime(), runtime = createRuntimeCalls(time.core);
  const results: [string, RuntimeResult][] = [];
  const call = (what: RuntimeCall): void =>
    runtime.call(what, (result) => { results.push([what.call, result]); });
  call({ call: 'pull', image: 'large' });
  call({ call: 'list' });
  call({ call: 'stop-container', id: 'c', graceMs: 60_000 });
  const ended = (): string[] => results.map(([name]) => name);
  time.pass(limits.runtimeCallTimeoutMs);
  assert.equal(ended(), ['list']);
  time.pass(60_000);
  assert.equal(ended(), ['list', 'stop-container']);
  time.pass(limits.imagePullTimeoutMs / 2);
  runtime.completed({ type: 'runtime-done', op: '7-1', value: 'sha256:1' });
  runtime.completed({ type: 'runtime-done', op: '7-2', value: '' });
  assert.equal(ended(), ['list', 'stop-container', 'pull']);
  assert.ok(results[2]?.[1].ok);
  assert.equal(time.armed(), []);
});

// ── logs ─────────────────────────────────────────────────────────────────────────────────────────────────

test('a reader that starts anew gets a stream of its own; what its former run read is over', () => {
  const time = createTime(), said: PeerMessage[] = [], log: string[] = [];
  const containers = {
    openLog: (stream: string) => { log.push(`open ${stream}`); },
    closeLog: (stream: string) => { log.push(`close ${stream}`); },
    logCredit: (stream: string, bytes: number) => { log.push(`credit ${stream} ${bytes}`); },
  };
  const core = { ...time.core, ports: { containers } } as unknown as Core;
  const streams = createLogStreams(core, {
    send: (_to, message) => { said.push(message); }, container: () => 'container', ended: () => undefined,
  });
  const logs = { podUid: 'u', container: 'c', previous: false, sinceSeconds: null } as LogsRequest;
  const open = (stream: string): void =>
    streams.message(other, { kind: 'logs-open', stream, logs, credit: 9 });
  open('7/1');
  open('7/1');
  open('7/2');
  open('8/1');
  streams.message(other, { kind: 'logs-credit', stream: '8/1', credit: 5 });
  streams.message(other, { kind: 'logs-credit', stream: '7/1', credit: 5 });
  assert.equal(log, ['open peer/other/7/1', 'open peer/other/7/2', 'close peer/other/7/1',
    'close peer/other/7/2', 'open peer/other/8/1', 'credit peer/other/8/1 5']);
  assert.equal(said, [{ kind: 'logs-end', stream: '7/1', error: 'the stream was lost' }]);
});

test.run();
