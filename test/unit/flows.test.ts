// Flows between two peers, over the wire: what is asked of one and runs on the other, with credit, ends and
// losses; and what a client's connection makes of them.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Core } from '../../actors/peer/core.ts';
import { createFlows } from '../../actors/peer/flows.ts';
import type { FlowMessage, Flows } from '../../actors/peer/flows.ts';
import type { ApiResponse, StreamsRequest } from '../../cluster/api/request.ts';
import type { FlowEnd, FlowTarget } from '../../cluster/flow.ts';
import { nodeName, objectKey, peerId, requestId, resourceName } from '../../cluster/ids.ts';
import type { PeerId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { PeerMessage } from '../../cluster/messages.ts';
import { decodeMessage, encodeMessage, isRefusal } from '../../cluster/wire.ts';
import { readMessage, writeMessage } from '../../runtime/http/streams/channels.ts';
import { createGate, createInlet } from '../../runtime/http/streams/inlet.ts';
import { createResizeReader } from '../../runtime/http/streams/resize.ts';
import { endText, forwardError } from '../../runtime/http/streams/status.ts';
import { createApiWorld } from './api-world.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (data: Uint8Array): string => new TextDecoder().decode(data);

/** Two peers, `asked` and `runs`; what each says to its ports and to its clients, in lines. */
function createPair() {
  const world = createApiWorld(), wire: { from: PeerId; message: PeerMessage }[] = [], log: string[] = [];
  for (const name of ['asked', 'runs']) {
    const node = { metadata: { name, annotations: { 'shoal.dev/peer-id': name } } };
    world.ask({
      method: 'POST', path: '/api/v1/nodes', headers: { 'content-type': 'application/json' },
      body: bytes(JSON.stringify(node)),
    });
  }
  let target: FlowTarget | null = { kind: 'dial', sandbox: 's', port: 80 };
  const timers = new Map<string, () => void>(), deferred: (() => void)[] = [];

  function create(name: string, incarnation: number): Flows {
    const say = (line: string): void => { log.push(`${name} ${line}`); };
    const core = {
      self: peerId(name), incarnation, config: { name: nodeName(name) }, state: world.state(),
      defer: (work: () => void) => { deferred.push(work); },
      arm: (key: string, _ms: number, work: () => void) => { timers.set(`${name} ${key}`, work); },
      disarm: (key: string) => { timers.delete(`${name} ${key}`); },
      ports: {
        containers: {
          openFlow: (flow: string, to: FlowTarget, credit: number) =>
            say(`open ${flow} ${to.kind} ${credit}`),
          flowInput: (flow: string, input: { type: string; data?: Uint8Array }) =>
            say(`input ${flow} ${input.type}${input.data === undefined ? '' : ` ${text(input.data)}`}`),
          flowCredit: (flow: string, credit: number) => say(`credit ${flow} ${credit}`),
          closeFlow: (flow: string) => say(`close ${flow}`),
        },
        clients: {
          upgrade: (id: string) => say(`upgrade ${id}`),
          flowOutput: (id: string, flow: number, channel: string, data: Uint8Array) =>
            say(`output ${id}/${flow} ${channel} ${text(data)}`),
          flowEnd: (id: string, flow: number, end: FlowEnd) =>
            say(`end ${id}/${flow} ${JSON.stringify(end)}`),
          flowGrant: (id: string, flow: number, credit: number) => say(`grant ${id}/${flow} ${credit}`),
        },
      },
    } as unknown as Core;
    return createFlows(core, {
      send: (_to, message) => { wire.push({ from: peerId(name), message }); },
      target: () => target, ended: (id) => say(`ended ${id}`),
    });
  }

  const peers = { asked: create('asked', 7), runs: create('runs', 3) };
  function drain(): void {
    for (let next = wire.shift(); next !== undefined; next = wire.shift()) {
      const read = decodeMessage(encodeMessage(next.message));
      if (isRefusal(read)) throw new Error(read.refused);
      const to = next.from === 'asked' ? peers.runs : peers.asked;
      to.message(next.from, read as FlowMessage);
    }
    for (const work of deferred.splice(0)) work();
    if (wire.length > 0) drain();
  }
  return {
    peers, wire, timers, drain,
    /** The lines since it was asked last. */
    said(): string[] {
      drain();
      return log.splice(0);
    },
    missing() { target = null; },
    restart(name: 'asked' | 'runs') { peers[name] = create(name, 100); },
  };
}

const streams = (more: Partial<StreamsRequest> = {}): StreamsRequest => ({
  kind: 'exec', pod: objectKey(resourceName('core/pods'), 'default', 'web'), podUid: 'u-1',
  node: nodeName('runs'), container: 'web', command: ['cat'], stdin: true, stdout: true, stderr: true,
  tty: false, ports: [], ...more,
});

const name = 'peer/asked/7/1/0', window = limits.flowWindowBytes, bonus = limits.flowBonusBytes;

function open(pair: ReturnType<typeof createPair>, more: Partial<StreamsRequest> = {}, id = '1') {
  const answers: ApiResponse[] = [];
  pair.peers.asked.open(requestId(id), 'alice', streams(more), (answer) => answers.push(answer));
  return { answers, said: pair.said() };
}

test('an exec on another peer: switched over once it is there, both ways, to its end', () => {
  const pair = createPair(), { asked, runs } = pair.peers, id = requestId('1');
  assert.equal(open(pair).said, [
    `runs open ${name} dial ${window}`, 'asked upgrade 1', `asked grant 1/0 ${bonus}`,
    `runs credit ${name} ${bonus}`,
  ]);
  asked.client({ type: 'flow-input', id, flow: 0, input: { type: 'data', data: bytes('hello') } });
  asked.client({ type: 'flow-input', id, flow: 0, input: { type: 'eof' } });
  assert.equal(pair.said(), [`runs input ${name} data hello`, `runs input ${name} eof`]);
  runs.container({ type: 'flow-taken', flow: name, bytes: 5 });
  runs.container({ type: 'flow-output', flow: name, channel: 'stderr', data: bytes('woe') });
  assert.equal(pair.said(), ['asked grant 1/0 5', 'asked output 1/0 stderr woe']);
  asked.client({ type: 'flow-drained', id, flow: 0, bytes: 3 });
  assert.equal(pair.said(), [`runs credit ${name} 3`]);
  runs.container({ type: 'flow-end', flow: name, end: { type: 'exited', code: 3 } });
  assert.equal(pair.said(), ['asked end 1/0 {"type":"exited","code":3}', 'asked ended 1']);
  assert.is(pair.timers.size, 0);
});

test('what does not run there is refused as a kubelet does, before the switch', () => {
  const pair = createPair();
  pair.missing();
  const { answers, said } = open(pair);
  assert.equal(said, []);
  assert.equal(answers.map(({ status, body }) => [status, body]), [[500, 'container not found ("web")\n']]);
  assert.is(open(pair, { node: nodeName('nowhere') }).answers[0]?.status, 500);
});

test('a peer that does not answer in time: 500, and it is told to let go', () => {
  const pair = createPair(), answers: ApiResponse[] = [];
  pair.peers.asked.open(requestId('1'), 'alice', streams(), (answer) => answers.push(answer));
  pair.wire.length = 0;
  for (const work of [...pair.timers.values()]) work();
  assert.match(answers[0]?.body ?? '', /the peer of node runs does not answer/);
  assert.equal(pair.wire.map(({ message }) => message.kind), ['flow-close']);
});

test('a client that goes away, and a peer that does, end what runs', () => {
  const pair = createPair();
  open(pair);
  pair.peers.asked.close(requestId('1'));
  assert.equal(pair.said(), [`runs close ${name}`]);
  open(pair, {}, '2');
  pair.peers.runs.disconnected(peerId('asked'));
  assert.equal(pair.said(), ['runs close peer/asked/7/2/0']);
  pair.peers.asked.disconnected(peerId('runs'));
  const [end, ended] = pair.said();
  assert.match(end ?? '', /asked end 2\/0 .*the peer of node runs went away/);
  assert.is(ended, 'asked ended 2');
});

test('a peer that started anew says that it knows nothing of a flow; its own former ones are over', () => {
  const pair = createPair();
  open(pair);
  pair.restart('runs');
  const input = { type: 'eof' } as const;
  pair.peers.asked.client({ type: 'flow-input', id: requestId('1'), flow: 0, input });
  assert.match(pair.said().join('\n'), /asked end 1\/0 .*the stream was lost/);
  open(pair, {}, '5');
  pair.restart('asked');
  const said = open(pair, {}, '1').said;
  assert.is(said[0], 'runs close peer/asked/7/5/0', 'what its former run asked for');
});

test('a message that is lost on the way ends the flow on both sides', () => {
  const pair = createPair(), { asked, runs } = pair.peers, id = requestId('1');
  open(pair);
  runs.container({ type: 'flow-output', flow: name, channel: 'stdout', data: bytes('lost') });
  pair.wire.length = 0;
  runs.container({ type: 'flow-output', flow: name, channel: 'stdout', data: bytes('next') });
  const said = pair.said();
  assert.match(said[0] ?? '', /asked end 1\/0 .*a part was lost/);
  assert.is(said.at(-1), `runs close ${name}`);
  open(pair, {}, '2');
  const input = { type: 'data', data: bytes('x') } as const;
  asked.client({ type: 'flow-input', id: requestId('2'), flow: 0, input });
  pair.wire.length = 0;
  asked.client({ type: 'flow-input', id: requestId('2'), flow: 0, input });
  assert.match(pair.said().join('\n'), /runs close peer\/asked\/7\/2\/0\nasked end 2\/0 .*a part was lost/);
  asked.client({ type: 'flow-input', id, flow: 0, input });
  assert.equal(pair.said(), [], 'nothing more comes of it');
});

test('a port-forward: switched over at once, a flow for each connection', () => {
  const pair = createPair(), { asked, runs } = pair.peers, id = requestId('1');
  assert.equal(open(pair, { kind: 'portforward', container: '' }).said, ['asked upgrade 1']);
  asked.client({ type: 'flow-opened', id, flow: 1, port: 80 });
  asked.client({ type: 'flow-opened', id, flow: 2, port: 80 });
  assert.equal(pair.said().filter((line) => line.includes('open')).length, 2);
  runs.container({ type: 'flow-end', flow: 'peer/asked/7/1/1', end: { type: 'closed' } });
  assert.equal(pair.said(), ['asked end 1/1 {"type":"closed"}'], 'the request goes on');
  asked.client({ type: 'flow-closed', id, flow: 2 });
  assert.equal(pair.said(), ['runs close peer/asked/7/1/2']);
  for (let flow = 3; flow < 3 + limits.flowsPerPeerMax + 1; flow += 1) {
    asked.client({ type: 'flow-opened', id, flow, port: 80 });
  }
  const refused = pair.said().filter((line) => line.includes('too many connections'));
  assert.is(refused.length, 1, 'the windows of all stay within the queue between two peers');
  asked.close(id);
  assert.is(pair.said().filter((line) => line.startsWith('runs close')).length, limits.flowsPerPeerMax);
});

test('one user does not take all streams', () => {
  const pair = createPair(), codes: number[] = [];
  const ask = (id: string, user: string): void =>
    pair.peers.asked.open(requestId(id), user, streams({ kind: 'portforward' }),
      ({ status }) => codes.push(status));
  for (let n = 0; n < limits.streamRequestsPerUserMax; n += 1) ask(`a${n}`, 'alice');
  assert.equal(codes, []);
  ask('more', 'alice');
  assert.equal(codes, [429]);
  ask('bob', 'bob');
  assert.equal(codes, [429]);
});

// ── what clients see ─────────────────────────────────────────────────────────────────────────────────────

test('messages of channels, as bytes and as base64', () => {
  for (const base64 of [false, true]) {
    const message = writeMessage(2, bytes('a\0b'), base64), read = readMessage(message, base64);
    assert.equal([read?.channel, read?.data.toString()], [2, 'a\0b']);
  }
  assert.is(writeMessage(1, bytes('hi'), true).toString(), '1aGk=');
  assert.is(readMessage(Buffer.alloc(0), false), null);
  assert.is(readMessage(Buffer.from('x123'), true), null);
  assert.is(readMessage(Buffer.from([255, 0]), false)?.channel, 255);
});

test('sizes of a terminal, in whatever pieces they come', () => {
  const sizes: unknown[] = [];
  const take = createResizeReader((input) => sizes.push(input));
  const parts = [
    '{"Width":80,', '"Height":24}\n{"Width":1', '00,"Height":30}{"Width":-1,"Height":2}', 'x}',
    '{"Width":"9","Height":1}', '{'.repeat(5_000), '{"Width":7,"Height":8}',
  ];
  for (const part of parts) take(Buffer.from(part));
  assert.equal(sizes, [
    { type: 'resize', columns: 80, rows: 24 }, { type: 'resize', columns: 100, rows: 30 },
    { type: 'resize', columns: 7, rows: 8 },
  ]);
});

test('input beyond what was granted pauses the connection, and its end comes last', () => {
  const told: string[] = [];
  const gate = createGate(() => ({
    pause: () => told.push('pause'), resume: () => told.push('resume'), write() {}, waiting: () => 0,
    end() {}, destroy() {},
  }));
  const inlet = createInlet(gate,
    (input) => told.push(input.type === 'data' ? `${input.data.length}` : input.type));
  inlet.take(Buffer.alloc(window + 10));
  inlet.eof();
  const chunks = Array.from({ length: window / limits.flowChunkBytes }, () => String(limits.flowChunkBytes));
  assert.equal(told.splice(0), [...chunks, 'pause']);
  inlet.grant(4);
  assert.equal(told.splice(0), ['4']);
  inlet.grant(100);
  assert.equal(told, ['6', 'resume', 'eof']);
});

test('ends in the words of Kubernetes', () => {
  const exec = streams({ command: ['sh', '-c', 'exit 3'] });
  assert.is(endText({ type: 'exited', code: 0 }, exec, true), '{"metadata":{},"status":"Success"}');
  assert.is(endText({ type: 'exited', code: 0 }, exec, false), '');
  const failed = JSON.parse(endText({ type: 'exited', code: 3 }, exec, true)) as Record<string, unknown>;
  assert.equal(failed, {
    metadata: {}, status: 'Failure', reason: 'NonZeroExitCode',
    message: 'command terminated with non-zero exit code: error executing command [sh -c exit 3], '
      + 'exit code 3',
    details: { causes: [{ reason: 'ExitCode', message: '3' }] },
  });
  const broken: FlowEnd = { type: 'failed', missing: false, message: 'woe' };
  assert.is(endText(broken, exec, false),
    'Internal error occurred: error executing command in container: woe');
  assert.is(endText(broken, streams({ kind: 'attach' }), false),
    'Internal error occurred: error attaching to container: woe');
  assert.is(forwardError(broken, 80, exec), 'error forwarding port 80 to pod web_default, uid u-1: woe');
  assert.is(forwardError({ type: 'closed' }, 80, exec), '');
});

test.run();
