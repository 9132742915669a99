// Exec, attach and port-forward over a WebSocket of their own: each message begins with the number of its
// channel, as a byte or, in the base64 variants, as a digit.
//
//     exec, attach    0 stdin  1 stdout  2 stderr  3 error  4 resize;  v5: 255 closes the channel it names
//     port-forward    2n data and 2n+1 error of the n-th port; each begins with the port, two bytes
//
// What always holds: messages on channels that the client may not write to are passed over.
// Source: Kubernetes, the kubelet's streaming server (wsstream, remotecommand and portforward over
// WebSockets), KEP-4006.

import { limits } from '../../../cluster/limits.ts';
import type { StreamsRequest } from '../../../cluster/api/request.ts';
import { createGate, createInlet } from './inlet.ts';
import { createResizeReader } from './resize.ts';
import type { SessionHooks, StreamSession } from './session.ts';
import { endText, forwardError } from './status.ts';
import { isTooSlow } from './transport.ts';
import type { Transport, TransportEvents } from './transport.ts';

/** What a subprotocol says of the messages. */
export interface ChannelProtocol {
  readonly base64: boolean;
  /** How an exec ended is told as a Status. */
  readonly statuses: boolean;
  /** A channel can be closed by itself. */
  readonly closes: boolean;
}

const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

export interface Message { readonly channel: number; readonly data: Buffer }

export function readMessage(message: Buffer, base64: boolean): Message | null {
  const [first] = message;
  if (first === undefined) return null;
  if (!base64) return { channel: first, data: message.subarray(1) };
  return first < 0x30 || first > 0x39 ? null
    : { channel: first - 0x30, data: Buffer.from(message.toString('latin1', 1), 'base64') };
}

export function writeMessage(number: number, data: Uint8Array, base64: boolean): Buffer {
  if (!base64) return Buffer.concat([Buffer.from([number]), data]);
  const text = Buffer.from(data.buffer, data.byteOffset, data.length).toString('base64');
  return Buffer.from(`${number}${text}`);
}

export function channelCommandSession(
  streams: StreamsRequest, protocol: ChannelProtocol, hooks: SessionHooks,
  open: (events: TransportEvents) => Transport,
): StreamSession {
  const { send, transport, gate } = carrier(protocol, hooks, open, take);
  const inlet = createInlet(gate, (input) => hooks.input(0, input));
  const resize = createResizeReader((input) => hooks.input(0, input));

  function take(message: Message): void {
    const closes = message.channel === channel.close && protocol.closes;
    if (closes && message.data[0] === channel.stdin && streams.stdin) return inlet.eof();
    if (message.channel === channel.stdin && streams.stdin) inlet.take(message.data);
    if (message.channel === channel.resize && streams.tty) resize(message.data);
  }

  // An empty message tells the client that its connection stands.
  send(streams.stdout ? channel.stdout : streams.stderr ? channel.stderr : channel.error, Buffer.alloc(0));
  return {
    output: (flow, name, data) => send(channel[name], data, () => hooks.drained(flow, data.length)),
    end(_flow, end) {
      const text = endText(end, streams, protocol.statuses);
      if (text !== '') send(channel.error, Buffer.from(text));
      transport.end();
    },
    grant: (_flow, bytes) => inlet.grant(bytes),
    destroy: () => transport.destroy(),
  };
}

export function channelForwardSession(
  streams: StreamsRequest, protocol: ChannelProtocol, hooks: SessionHooks,
  open: (events: TransportEvents) => Transport,
): StreamSession {
  const { send, transport, gate } = carrier(protocol, hooks, open, ({ channel: number, data }) => {
    if (number % 2 === 0) inlets[number / 2]?.take(data);
  });
  const inlets = streams.ports.map((_, flow) => createInlet(gate, (input) => hooks.input(flow, input)));
  const going = new Set(streams.ports.keys());
  streams.ports.forEach((port, flow) => {
    const bytes = Buffer.from([port & 0xff, port >> 8]);
    send(2 * flow, bytes);
    send(2 * flow + 1, bytes);
  });
  // Before anything that the client says on them.
  streams.ports.forEach((port, flow) => hooks.opened(flow, port));
  return {
    output: (flow, _name, data) => send(2 * flow, data, () => hooks.drained(flow, data.length)),
    end(flow, end) {
      const text = forwardError(end, streams.ports[flow] ?? 0, streams);
      if (text !== '') send(2 * flow + 1, Buffer.from(text));
      inlets[flow]?.close();
      if (going.delete(flow) && going.size === 0) transport.end();
    },
    grant: (flow, bytes) => inlets[flow]?.grant(bytes),
    destroy: () => transport.destroy(),
  };
}

function carrier(
  { base64 }: ChannelProtocol, hooks: SessionHooks, open: (events: TransportEvents) => Transport,
  take: (message: Message) => void,
) {
  const transport = open({
    data(data) {
      const message = readMessage(data, base64);
      if (message !== null) take(message);
    },
    closed: () => hooks.over(),
  });
  const gate = createGate(() => transport);
  function send(number: number, data: Uint8Array, done?: () => void): void {
    transport.write(writeMessage(number, data, base64), done);
    if (!isTooSlow(transport)) return;
    transport.destroy();
    hooks.over();
  }
  return { send, transport, gate };
}

/** The channels of as many ports as there are have numbers of one byte. */
export const channelPortsMax = Math.min(limits.flowsPerRequestMax, 127);
