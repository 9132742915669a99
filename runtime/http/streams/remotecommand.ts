// Exec and attach over SPDY: the client opens a stream for each thing it wants, named by the header
// `streamType`: error, stdin, stdout, stderr, resize. How it ended is said on the error stream.
//
// What always holds: what the program says before the client has opened its streams waits for them, within
// the flow's window; a client that does not open them in time is cut off.
// Source: Kubernetes, the kubelet's streaming server (remotecommand, protocols v1 to v4 of channel.k8s.io).

import { limits } from '../../../cluster/limits.ts';
import type { StreamsRequest } from '../../../cluster/api/request.ts';
import type { FlowChannel, FlowEnd } from '../../../cluster/flow.ts';
import { createGate, createInlet } from './inlet.ts';
import { createResizeReader } from './resize.ts';
import type { SessionHooks, StreamSession } from './session.ts';
import { createSpdySession } from './spdy.ts';
import type { SpdyStream } from './spdy.ts';
import { endText } from './status.ts';
import type { Transport, TransportEvents } from './transport.ts';

/** `version` of channel.k8s.io; `open` makes the transport. */
export function remoteCommandSession(
  streams: StreamsRequest, version: number, hooks: SessionHooks,
  open: (events: TransportEvents) => Transport,
): StreamSession {
  const wanted = new Set(['error', ...wantedStreams(streams, version)]);
  const found = new Map<string, SpdyStream>();
  const early: (() => void)[] = [];
  const transport = open({ data: (data) => spdy.data(data), closed: over });
  const gate = createGate(() => transport);
  const inlet = createInlet(gate, (input) => hooks.input(0, input),
    (bytes) => found.get('stdin')?.consumed(bytes));
  const resize = createResizeReader((input) => hooks.input(0, input));
  const timer = setTimeout(fail, limits.streamCreationMs);
  timer.unref();
  const typeOf = (stream: SpdyStream): string => stream.headers.get('streamtype') ?? '';

  const spdy = createSpdySession(transport, {
    opened(stream) {
      const type = typeOf(stream);
      if (!wanted.has(type) || found.has(type)) return false;
      found.set(type, stream);
      if (found.size < wanted.size) return true;
      clearTimeout(timer);
      // After the reply to this stream.
      setImmediate(() => { for (const work of early.splice(0)) work(); });
      return true;
    },
    data(stream, data) {
      if (found.get('stdin') === stream) return inlet.take(data);
      if (found.get('resize') === stream) resize(data);
      stream.consumed(data.length);
    },
    ended(stream) { if (found.get('stdin') === stream) inlet.eof(); },
    reset(stream) { if (found.get('stdin') === stream) inlet.eof(); },
    failed: fail,
  });

  function over(): void {
    clearTimeout(timer);
    spdy.destroy();
    hooks.over();
  }

  function fail(): void {
    transport.destroy();
    over();
  }

  /** Once all streams are there. */
  function whenReady(work: () => void): void {
    if (found.size < wanted.size || early.length > 0) early.push(work);
    else work();
  }

  function end(how: FlowEnd): void {
    const text = endText(how, streams, version >= 4), error = found.get('error');
    if (text !== '') error?.write(Buffer.from(text));
    for (const stream of found.values()) if (typeOf(stream) !== 'stdin') stream.end();
    found.get('stdin')?.end();
    spdy.close();
    transport.end();
  }

  return {
    output: (flow, channel, data) => whenReady(() => write(found.get(channel), channel, data, flow)),
    end: (_flow, how) => whenReady(() => end(how)),
    grant: (_flow, bytes) => inlet.grant(bytes),
    destroy() {
      clearTimeout(timer);
      spdy.destroy();
      transport.destroy();
    },
  };

  function write(
    stream: SpdyStream | undefined, _channel: FlowChannel, data: Uint8Array, flow: number,
  ): void {
    const drained = (): void => hooks.drained(flow, data.length);
    if (stream === undefined) setImmediate(drained);
    else stream.write(data, drained);
  }
}

function wantedStreams({ stdin, stdout, stderr, tty }: StreamsRequest, version: number): string[] {
  return [
    ...stdin ? ['stdin'] : [], ...stdout ? ['stdout'] : [], ...stderr ? ['stderr'] : [],
    ...tty && version >= 3 ? ['resize'] : [],
  ];
}
