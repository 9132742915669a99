// A request that asks for its connection to be switched over, as an exchange like any other: it may be
// refused or answered in plain HTTP; logs and watches go over a WebSocket message by message; exec, attach
// and port-forward become a session.
//
// What always holds: one answer or one switch; a connection on which nothing happens for long is closed.
// Source: Kubernetes, apimachinery's wsstream (NewReader) for logs; the kubelet's streaming server.

import type { IncomingMessage } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';
import { limits } from '../../../cluster/limits.ts';
import { failure } from '../../../cluster/api/status.ts';
import type { ApiResponse, StreamsRequest } from '../../../cluster/api/request.ts';
import type { Exchange } from '../exchange.ts';
import { channelCommandSession, channelForwardSession, channelPortsMax } from './channels.ts';
import type { ChannelProtocol } from './channels.ts';
import {
  noProtocol, openSpdy, openWebSocket, spdyProtocol, webSocketProtocol, webSocketToken,
} from './handshake.ts';
import type { Handshake } from './handshake.ts';
import { portForwardSession } from './portforward.ts';
import { remoteCommandSession } from './remotecommand.ts';
import type { SessionHooks, StreamSession } from './session.ts';
import { socketTransport, webSocketTransport } from './transport.ts';
import type { Transport, TransportEvents } from './transport.ts';

/** The values of `Upgrade` that are meant here; with any other the request is one like all others. */
export function isUpgrade({ headers }: IncomingMessage): boolean {
  const wanted = (headers.upgrade ?? '').toLowerCase();
  return wanted === 'websocket' || wanted === 'spdy/3.1';
}

export interface UpgradeExchange extends Exchange {
  /** A bearer token that is not in a header. */
  readonly token: string | null;
  /** Null: it was refused, and the client has been told why. */
  upgrade(streams: StreamsRequest, hooks: SessionHooks): StreamSession | null;
}

/** By subprotocol. v2 and v3 differ from the first only over SPDY. */
const commandProtocols: Readonly<Record<string, ChannelProtocol>> = {
  'v5.channel.k8s.io': { base64: false, statuses: true, closes: true },
  'v4.channel.k8s.io': { base64: false, statuses: true, closes: false },
  'v4.base64.channel.k8s.io': { base64: true, statuses: true, closes: false },
  'channel.k8s.io': { base64: false, statuses: false, closes: false },
  'base64.channel.k8s.io': { base64: true, statuses: false, closes: false },
  '': { base64: false, statuses: false, closes: false },
};
const forwardProtocols: Readonly<Record<string, ChannelProtocol>> = {
  'v4.channel.k8s.io': { base64: false, statuses: true, closes: false },
  'v4.base64.channel.k8s.io': { base64: true, statuses: true, closes: false },
  '': { base64: false, statuses: true, closes: false },
};
const tunnelProtocol = 'SPDY/3.1+portforward.k8s.io';
/** The last is that of a client that names none. */
const spdyCommandProtocols = ['v4', 'v3', 'v2', 'v1'].map((version) =>
  (version === 'v1' ? 'channel.k8s.io' : `${version}.channel.k8s.io`));
const spdyForwardProtocols = ['portforward.k8s.io'];
/** Of logs and watches: whether messages are base64. */
const plainProtocols: Readonly<Record<string, boolean>> = {
  'binary.k8s.io': false, 'base64.binary.k8s.io': true, '': false,
};

export function upgradeExchange(request: IncomingMessage, socket: TLSSocket, head: Buffer): UpgradeExchange {
  const handshake: Handshake = { request, socket, head };
  const isWebSocket = request.headers.upgrade?.toLowerCase() === 'websocket';
  let ws: WebSocket | null = null, base64 = false, answered = false;
  socket.on('error', () => socket.destroy());
  // What is sent before there is an answer is read with the switch; half-open clients are not kept.
  socket.on('end', () => { if (!answered) socket.destroy(); });
  // The server's own limits of time are for requests.
  socket.setTimeout(0);

  function answer({ status, headers, body }: ApiResponse): void {
    if (answered || socket.destroyed) return;
    answered = true;
    const fields = { ...headers, 'content-length': String(Buffer.byteLength(body)) };
    socket.end(`${headText(status, fields)}${body}`);
    socket.resume();
    setTimeout(() => socket.destroy(), lingerMs).unref();
  }

  /** As a message each where the client can take them, else as a body that ends with the connection. */
  function begin(status: number, headers: Readonly<Record<string, string>>): void {
    if (answered || socket.destroyed) return;
    const spoken = Object.keys(plainProtocols);
    const protocol = isWebSocket ? webSocketProtocol(request, spoken) : null;
    if (isWebSocket && protocol === null) return answer(noProtocol(request, spoken));
    if (protocol === null) {
      answered = true;
      socket.resume();
      return void socket.write(headText(status, headers));
    }
    base64 = plainProtocols[protocol] ?? false;
    openWebSocket(handshake, protocol, (opened) => {
      answered = true;
      ws = opened;
      opened.on('error', () => opened.terminate());
    }, answer);
  }

  function write(data: string | Uint8Array, taken?: () => void): void {
    if (ws === null) return void socket.write(data, () => taken?.());
    const text = typeof data === 'string', bytes = text ? data : Buffer.from(data);
    ws.send(base64 && !text ? Buffer.from(bytes).toString('base64') : bytes, { binary: !text && !base64 },
      () => taken?.());
  }

  return {
    token: webSocketToken(request),
    method: request.method ?? 'GET', target: request.url ?? '/', headers: request.headers, socket,
    values: (name) => request.headersDistinct[name] ?? [],
    // Such requests have no body, or one that nobody reads.
    onBody: (_take, end) => end(),
    onClose: (done) => { socket.on('close', done); },
    answer, begin, write,
    waiting: () => ws?.bufferedAmount ?? socket.writableLength,
    end() {
      if (ws === null) socket.end();
      else ws.close(1000);
      setTimeout(() => socket.destroy(), lingerMs).unref();
    },
    // Its answer always is.
    lastOne: () => undefined,
    destroy: () => { socket.destroy(); },
    upgrade(streams, hooks) {
      if (answered || socket.destroyed) return null;
      const open = isWebSocket ? overWebSocket : overSpdy, opened = open(handshake, streams, hooks);
      if ('status' in opened) answer(opened);
      answered = true;
      return 'status' in opened ? null : opened;
    },
  };
}

/** Whoever was answered has this long to end its connection. */
const lingerMs = 5_000;

function headText(status: number, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries({ ...headers, connection: 'close' })
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n`;
}

function overSpdy(
  handshake: Handshake, streams: StreamsRequest, hooks: SessionHooks,
): StreamSession | ApiResponse {
  const forwards = streams.kind === 'portforward';
  const spoken = forwards ? spdyForwardProtocols : spdyCommandProtocols;
  const protocol = spdyProtocol(handshake.request, spoken);
  if (protocol === null) return noProtocol(handshake.request, spoken);
  openSpdy(handshake, protocol);
  const { socket, head } = handshake;
  return watched(hooks, (told, wrap) => {
    const open = (events: TransportEvents): Transport => wrap(socketTransport(socket, head, events));
    return forwards ? portForwardSession(streams, told, open)
      : remoteCommandSession(streams, spdyCommandProtocols.length - spoken.indexOf(protocol), told, open);
  });
}

function overWebSocket(
  handshake: Handshake, streams: StreamsRequest, hooks: SessionHooks,
): StreamSession | ApiResponse {
  const forwards = streams.kind === 'portforward';
  const channels = forwards ? forwardProtocols : commandProtocols;
  const spoken = [...Object.keys(channels), ...forwards ? [tunnelProtocol] : []];
  const protocol = webSocketProtocol(handshake.request, spoken);
  if (protocol === null) return noProtocol(handshake.request, spoken);
  const channel = channels[protocol];
  if (forwards && channel !== undefined && streams.ports.length === 0) {
    return failure(400, 'BadRequest', 'query parameter "port" is required');
  }
  if (forwards && streams.ports.length > channelPortsMax) {
    return failure(400, 'BadRequest', `more than ${channelPortsMax} ports`);
  }
  let opened: StreamSession | null = null, refusal: ApiResponse | null = null;
  openWebSocket(handshake, protocol, (ws) => {
    opened = watched(hooks, (told, wrap) => {
      const open = (events: TransportEvents): Transport =>
        wrap(webSocketTransport(ws, channel?.base64 ?? false, events));
      if (channel === undefined) return portForwardSession(streams, told, open);
      return forwards ? channelForwardSession(streams, channel, told, open)
        : channelCommandSession(streams, channel, told, open);
    });
  }, (response) => { refusal = response; });
  return opened ?? refusal ?? failure(400, 'BadRequest', 'the WebSocket handshake failed');
}

/** Told of all that happens: a session on which nothing does, for long, is ended. */
function watched(
  hooks: SessionHooks,
  make: (told: SessionHooks, wrap: (transport: Transport) => Transport) => StreamSession,
): StreamSession {
  let over = false;
  const idle = setTimeout(() => {
    session.destroy();
    end();
  }, limits.streamIdleMs);
  idle.unref();
  function end(): void {
    clearTimeout(idle);
    if (over) return;
    over = true;
    hooks.over();
  }
  const told: SessionHooks = {
    ...hooks, over: end,
    input(flow, input) {
      idle.refresh();
      if (!over) hooks.input(flow, input);
    },
  };
  const session = make(told, (transport) => ({
    ...transport,
    write(data, done) {
      idle.refresh();
      transport.write(data, done);
    },
  }));
  return session;
}
