// The switch from HTTP/1.1 to a WebSocket or to SPDY/3.1, and the protocol that both sides then speak.
//
// `ws` takes no subprotocol with a slash, as `SPDY/3.1+portforward.k8s.io` has one. So it is not shown what
// the client asks for: the protocol is chosen here, and named in the answer through its `headers` event.
// What always holds: the first of the client's protocols that is spoken here is taken, as Kubernetes does.
// Source: RFC 6455; apimachinery, httpstream.Handshake; KEP-4006 (remote commands over WebSockets).

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import { limits } from '../../../cluster/limits.ts';
import { failure } from '../../../cluster/api/status.ts';
import type { ApiResponse } from '../../../cluster/api/request.ts';

export interface Handshake {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What came together with the request. */
  readonly head: Buffer;
}

/** Null: none of the client's is spoken here. A client that names none gets `''`, where that is spoken. */
export function webSocketProtocol(request: IncomingMessage, spoken: readonly string[]): string | null {
  const asked = listOf(request.headers['sec-websocket-protocol']);
  if (asked.length === 0) return spoken.includes('') ? '' : null;
  return asked.find((name) => spoken.includes(name)) ?? null;
}

/** Of SPDY's clients the first ones named no protocol: they speak the first version. */
export function spdyProtocol(request: IncomingMessage, spoken: readonly string[]): string | null {
  const asked = listOf(request.headers['x-stream-protocol-version']);
  return asked.length === 0 ? spoken.at(-1) ?? null : asked.find((name) => spoken.includes(name)) ?? null;
}

/**
 * The token that a browser's client, which can set no header, gives as a subprotocol beside the one it wants.
 * Source: apiserver authentication/request/websocket.
 */
export function webSocketToken({ headers }: IncomingMessage): string | null {
  const asked = listOf(headers['sec-websocket-protocol']);
  const named = asked.find((name) => name.startsWith(tokenPrefix));
  if (headers.upgrade?.toLowerCase() !== 'websocket' || named === undefined || asked.length < 2) return null;
  const token = Buffer.from(named.slice(tokenPrefix.length), 'base64url').toString('latin1');
  return /^[!-~]+$/.test(token) ? token : null;
}

const tokenPrefix = 'base64url.bearer.authorization.k8s.io.';

/** Node joins several headers of a name by commas, as clients do that send but one. */
function listOf(value: string | string[] | undefined): string[] {
  return String(value ?? '').split(',').map((name) => name.trim()).filter((name) => name !== '');
}

/** As httpstream.Handshake refuses. */
export function noProtocol(request: IncomingMessage, spoken: readonly string[]): ApiResponse {
  const asked = listOf(request.headers['x-stream-protocol-version']
    ?? request.headers['sec-websocket-protocol']).slice(0, namedMax);
  const answer = failure(403, 'Forbidden', 'unable to upgrade: unable to negotiate protocol: client supports '
    + `[${asked.join(' ')}], server accepts [${spoken.filter((name) => name !== '').join(' ')}]`);
  const accepted = spoken.filter((name) => name !== '').join(', ');
  return { ...answer, headers: { ...answer.headers, 'x-accepted-stream-protocol-versions': accepted } };
}

/** Protocols of a client that its refusal names. */
const namedMax = 16;

/** Answers with the switch to a WebSocket; `done` runs before this returns unless the request is no such. */
export function openWebSocket(
  { request, socket, head }: Handshake, protocol: string, done: (ws: WebSocket) => void,
  refused: (response: ApiResponse) => void,
): void {
  const server = new WebSocketServer({
    noServer: true, clientTracking: false, perMessageDeflate: false, maxPayload: limits.streamFrameBytesMax,
  });
  server.on('headers', (lines) => {
    if (protocol !== '') lines.push(`Sec-WebSocket-Protocol: ${protocol}`);
  });
  server.on('wsClientError', (error) => refused(failure(400, 'BadRequest', error.message)));
  delete request.headers['sec-websocket-protocol'];
  server.handleUpgrade(request, socket, head, done);
}

/** Answers with the switch to SPDY. */
export function openSpdy({ socket }: Handshake, protocol: string): void {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n'
    + `X-Stream-Protocol-Version: ${protocol}\r\n\r\n`);
}
