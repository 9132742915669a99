// Port-forward over SPDY: for each connection the client opens two streams, `error` and `data`, with the same
// `requestID` and the `port`; on a socket of its own or within a WebSocket.
//
// What always holds: a connection is one flow; when it ends, both its streams do, whoever ended it.
// Source: Kubernetes, the kubelet's streaming server (portforward, httpStreamHandler).

import { limits } from '../../../cluster/limits.ts';
import type { StreamsRequest } from '../../../cluster/api/request.ts';
import type { FlowEnd } from '../../../cluster/flow.ts';
import { createGate, createInlet } from './inlet.ts';
import type { Inlet } from './inlet.ts';
import type { SessionHooks, StreamSession } from './session.ts';
import { createSpdySession } from './spdy.ts';
import type { SpdyStream } from './spdy.ts';
import { forwardError } from './status.ts';
import type { Transport, TransportEvents } from './transport.ts';

interface Pair {
  readonly request: string;
  readonly port: number;
  error: SpdyStream | null;
  data: SpdyStream | null;
  /** 0: one of its streams is missing. */
  flow: number;
  inlet: Inlet | null;
  /** What came on `data` before `error` was there. */
  readonly early: Buffer[];
  ended: boolean;
  readonly timer: NodeJS.Timeout;
}

export function portForwardSession(
  streams: StreamsRequest, hooks: SessionHooks, open: (events: TransportEvents) => Transport,
): StreamSession {
  const pairs = new Map<string, Pair>(), byFlow = new Map<number, Pair>(), byStream = new Map<number, Pair>();
  const transport = open({ data: (data) => spdy.data(data), closed: over });
  const gate = createGate(() => transport);
  let flows = 0;

  const spdy = createSpdySession(transport, {
    opened,
    data(stream, data) {
      const pair = byStream.get(stream.id);
      if (pair?.data !== stream) return stream.consumed(data.length);
      if (pair.inlet !== null) return pair.inlet.take(data);
      pair.early.push(data);
      const bytes = pair.early.reduce((sum, each) => sum + each.length, 0);
      if (bytes > limits.flowWindowBytes) fail();
    },
    ended(stream) {
      const pair = byStream.get(stream.id);
      if (pair?.data !== stream) return;
      pair.ended = true;
      pair.inlet?.eof();
    },
    reset(stream) {
      const pair = byStream.get(stream.id);
      if (pair?.data !== stream) return;
      // The client waits for the end of the other stream.
      finish(pair, '');
      if (pair.flow > 0) hooks.closed(pair.flow);
    },
    failed: fail,
  });

  function opened(stream: SpdyStream): boolean {
    const type = stream.headers.get('streamtype'), port = Number(stream.headers.get('port') ?? '');
    if (type !== 'error' && type !== 'data') return false;
    if (!Number.isInteger(port) || port < 1 || port > 65_535) return false;
    // Clients of before 1.1 give no number; theirs come right after each other.
    const request = stream.headers.get('requestid') ?? String(type === 'error' ? stream.id : stream.id - 2);
    const pair = pairs.get(request) ?? createPair(request, port);
    if (pair[type] !== null || pair.flow > 0) return false;
    pair[type] = stream;
    byStream.set(stream.id, pair);
    if (pair.error !== null && pair.data !== null) setImmediate(() => begin(pair));
    return true;
  }

  function createPair(request: string, port: number): Pair {
    const timer = setTimeout(() => finish(pair, 'timed out waiting for streams'), limits.streamCreationMs);
    timer.unref();
    const pair: Pair = {
      request, port, error: null, data: null, flow: 0, inlet: null, early: [], ended: false, timer,
    };
    pairs.set(request, pair);
    return pair;
  }

  function begin(pair: Pair): void {
    if (pairs.get(pair.request) !== pair) return;
    clearTimeout(pair.timer);
    const flow = flows += 1;
    pair.flow = flow;
    byFlow.set(flow, pair);
    hooks.opened(flow, pair.port);
    const inlet = createInlet(gate, (input) => hooks.input(flow, input),
      (bytes) => pair.data?.consumed(bytes));
    pair.inlet = inlet;
    for (const data of pair.early.splice(0)) inlet.take(data);
    if (pair.ended) inlet.eof();
  }

  function finish(pair: Pair, error: string): void {
    clearTimeout(pair.timer);
    pairs.delete(pair.request);
    byFlow.delete(pair.flow);
    pair.inlet?.close();
    if (error !== '') pair.error?.write(Buffer.from(error));
    for (const stream of [pair.data, pair.error]) {
      if (stream === null) continue;
      byStream.delete(stream.id);
      stream.end();
    }
  }

  function over(): void {
    for (const pair of pairs.values()) clearTimeout(pair.timer);
    spdy.destroy();
    hooks.over();
  }

  function fail(): void {
    transport.destroy();
    over();
  }

  return {
    output(flow, _channel, data) {
      byFlow.get(flow)?.data?.write(data, () => hooks.drained(flow, data.length));
    },
    end(flow: number, end: FlowEnd) {
      const pair = byFlow.get(flow);
      if (pair !== undefined) finish(pair, forwardError(end, pair.port, streams));
    },
    grant: (flow, bytes) => byFlow.get(flow)?.inlet?.grant(bytes),
    destroy() {
      for (const pair of pairs.values()) clearTimeout(pair.timer);
      spdy.destroy();
      transport.destroy();
    },
  };
}
