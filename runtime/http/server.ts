// The HTTPS API of one peer: HTTP/2 and HTTP/1.1 on one port, clients known by their certificate or by a
// bearer token. It turns requests into `request` events and carries the peer's answers back; what a request
// means is not known here, nor whom a token stands for.
//
// What always holds: bodies, streams and connections are bounded; a client that reads too slowly loses its
// stream, not the peer its memory; after `request-closed` nothing more is sent for that request.

import { createSecureServer } from 'node:http2';
import type { Http2SecureServer } from 'node:http2';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { requestId } from '../../cluster/ids.ts';
import type { RequestId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { failure } from '../../cluster/api/status.ts';
import type { ApiResponse, UserInfo } from '../../cluster/api/request.ts';
import type { ClientsEvent, ClientsPort } from '../../cluster/ports.ts';
import type { KeyPair } from './certificates.ts';
import { createAnswers } from './answers.ts';
import { http1Exchange, http2Exchange } from './exchange.ts';
import type { Exchange } from './exchange.ts';
import { createStreamClients } from './streams/clients.ts';
import type { UpgradeExchange } from './streams/upgrade.ts';
import { isUpgrade, upgradeExchange } from './streams/upgrade.ts';

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  readonly ca: string;
  readonly serving: KeyPair;
}

export interface Clients extends ClientsPort {
  /** Serves one address until `close`; may be called for several. Errors (a port in use) reject. */
  listen(options: ServerOptions): Promise<void>;
  /** Shows new clients this certificate. */
  renew(ca: string, serving: KeyPair): void;
  close(): Promise<void>;
}

/** Simultaneous connects queue up to here; Node's default of 511 stalls a thousand clients. */
const backlog = 4_096;
/** Answered to whoever asks, as an API server does for its load balancer. */
const openPaths = new Set(['/healthz', '/livez', '/readyz', '/version']);
const wantedHeaders = [
  'accept', 'content-type', 'user-agent', 'accept-encoding', 'if-none-match', 'audit-id',
] as const;

export function createClients(deliver: (event: ClientsEvent) => void): Clients {
  const open = new Map<RequestId, Exchange>();
  const answers = createAnswers((id) => closed(id), destroy);
  const streams = createStreamClients(deliver);
  const users = new WeakMap<TLSSocket, UserInfo | null>();
  /** By connection: requests with tokens that stood for nobody. */
  const failures = new WeakMap<TLSSocket, number>();
  const connections = new Set<TLSSocket>();
  const servers: Http2SecureServer[] = [];
  let count = 0;

  function serve(exchange: Exchange, upgrade: UpgradeExchange | null = null): void {
    const { target, method } = exchange, cut = target.indexOf('?');
    const path = cut < 0 ? target : target.slice(0, cut), query = cut < 0 ? '' : target.slice(cut + 1);
    const known = userOf(users, exchange.socket);
    const shown = bearerToken(exchange.headers.authorization) ?? upgrade?.token ?? null;
    const token = known === null ? shown : null;
    if (known === null && token === null && !openPaths.has(path)) {
      return exchange.answer(failure(401, 'Unauthorized', 'Unauthorized'));
    }
    const who = { user: known ?? anonymous, ...token === null ? {} : { token } };
    readBody(exchange, (body, error) => {
      if (error !== null) return exchange.answer(error);
      const id = requestId(String((count += 1)));
      open.set(id, exchange);
      exchange.onClose(() => closed(id));
      const headers: Record<string, string> = {};
      for (const name of wantedHeaders) {
        const value = exchange.headers[name];
        if (typeof value === 'string') headers[name] = value;
      }
      for (const name in exchange.headers) {
        if (name.startsWith('impersonate-')) headers[name] = exchange.values(name).join('\n');
      }
      if (upgrade !== null) {
        headers['upgrade'] = String(upgrade.headers.upgrade).toLowerCase();
        streams.add(id, upgrade);
      }
      const sourceIP = exchange.socket.remoteAddress?.replace(/^::ffff:/, '');
      const from = sourceIP === undefined ? {} : { sourceIP };
      deliver({ type: 'request', request: { id, method, path, query, headers, body, ...who, ...from } });
    });
  }

  function closed(id: RequestId): void {
    streams.forget(id);
    answers.forget(id);
    if (open.delete(id)) deliver({ type: 'request-closed', id });
  }

  /** Whoever tries token after token has to connect anew for each few. */
  function failed(exchange: Exchange): void {
    // A policy or another API may say the same to somebody who is known.
    if ((users.get(exchange.socket) ?? null) !== null) return;
    const { socket } = exchange, count = (failures.get(socket) ?? 0) + 1;
    failures.set(socket, count);
    if (count >= limits.tokenFailuresPerConnectionMax) exchange.lastOne();
  }

  /** Queues a part of a stream; a client that is too far behind is cut off. */
  function chunk(id: RequestId, data: string | Uint8Array, taken?: () => void): void {
    const exchange = open.get(id);
    if (exchange === undefined || answers.behind(id, data)) return;
    exchange.write(data, taken);
    if (exchange.waiting() > limits.watchBufferBytesMax) destroy(id);
  }

  function drained(id: RequestId, bytes: number): () => void {
    return () => { if (open.has(id)) deliver({ type: 'request-drained', id, bytes }); };
  }

  function destroy(id: RequestId): void {
    open.get(id)?.destroy();
    // Not from inside a call into the port.
    setImmediate(() => closed(id));
  }

  return {
    chunk: (id, data) => chunk(id, data, typeof data === 'string' ? undefined : drained(id, data.length)),
    tell(ids, text) {
      const data = ids.length === 1 ? text : Buffer.from(text);
      for (const id of ids) chunk(id, data);
    },
    upgrade: (id, wanted) => streams.upgrade(id, wanted, closed),
    flowOutput: streams.output,
    flowEnd(id, flow, end) {
      // Of an exec or attach the peer has forgotten by now.
      if (streams.end(id, flow, end)) open.delete(id);
    },
    flowGrant: streams.grant,
    respond(id, answer) {
      const exchange = open.get(id);
      if (exchange !== undefined && answers.respond(id, exchange, answer)) return;
      open.delete(id);
      if (answer.status === 401 && exchange !== undefined) failed(exchange);
      exchange?.answer(answer);
    },
    open(id, status, headers, first = null) {
      const exchange = open.get(id);
      if (exchange === undefined) return;
      exchange.begin(status, headers);
      if (exchange.method !== 'HEAD') return first === null ? undefined : answers.begin(id, exchange, first);
      // Whoever asked for the headers alone has all there is.
      exchange.end();
      setImmediate(() => closed(id));
    },
    end(id) {
      if (answers.end(id)) return;
      open.get(id)?.end();
      open.delete(id);
    },
    async listen(options) {
      const secure = secureServer(options, serve);
      secure.maxConnections = limits.clientConnectionsMax;
      secure.on('secureConnection', (socket) => {
        connections.add(socket);
        socket.on('close', () => connections.delete(socket));
        socket.on('error', () => socket.destroy());
      });
      secure.on('tlsClientError', () => undefined);
      secure.on('sessionError', () => undefined);
      await new Promise<void>((done, fail) => {
        secure.once('error', fail);
        secure.listen({ host: options.host, port: options.port, backlog }, () => {
          secure.off('error', fail);
          done();
        });
      });
      servers.push(secure);
    },
    renew(ca, { cert, key }) {
      for (const server of servers) server.setSecureContext({ ca, cert, key, minVersion: 'TLSv1.2' });
    },
    async close() {
      const closed = servers.map((server) => new Promise<void>((done) => server.close(() => done())));
      for (const socket of connections) socket.destroy();
      await Promise.all(closed);
    },
  };
}

type Serve = (exchange: Exchange, upgrade?: UpgradeExchange | null) => void;

/** HTTP/2, HTTP/1.1 and its upgrades, all as exchanges. */
function secureServer(options: ServerOptions, serve: Serve): Http2SecureServer {
  const secure = createSecureServer({
    allowHTTP1: true, requestCert: true, rejectUnauthorized: false,
    ca: options.ca, cert: options.serving.cert, key: options.serving.key, minVersion: 'TLSv1.2',
    settings: { maxConcurrentStreams: 1_000 },
  }, (request, response) => {
    serve(http1Exchange(request as object as IncomingMessage, response as object as ServerResponse));
  });
  // The listener above makes Node put its compatibility layer on every stream; HTTP/1.1 does without.
  secure.removeAllListeners('stream');
  // Behind the flags come the headers as they were sent; Node's types don't say so.
  secure.on('stream', (stream, headers, ...more: readonly unknown[]) => {
    // It is told of in a later turn than it came: its connection may have broken since.
    if (stream.session?.destroyed !== false) return;
    serve(http2Exchange(stream, headers, more[1] as readonly string[]));
  });
  // Node's HTTP/1.1 asks this of a server; HTTP/2's does not declare it.
  Object.assign(secure, { shouldUpgradeCallback: isUpgrade });
  secure.on('upgrade', (request: IncomingMessage, socket: TLSSocket, head: Buffer) => {
    const exchange = upgradeExchange(request, socket, head);
    serve(exchange, exchange);
  });
  return secure;
}

const anonymous: UserInfo = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

/** Source: RFC 6750, section 2.1; apiserver authentication/request/bearertoken. */
function bearerToken(header: string | undefined): string | null {
  const [scheme = '', token = ''] = (header ?? '').trim().split(' ', 2);
  return scheme.toLowerCase() === 'bearer' && token !== '' ? token : null;
}

/** Who a connection belongs to, by the certificate that our own CA signed. Cached: it can't change. */
function userOf(users: WeakMap<TLSSocket, UserInfo | null>, socket: TLSSocket): UserInfo | null {
  const known = users.get(socket);
  if (known !== undefined) return known;
  let user: UserInfo | null = null;
  if (socket.authorized) {
    const { subject, fingerprint256 = '' } = socket.getPeerCertificate() as Partial<PeerCertificate>;
    const groups = subject?.O === undefined ? [] : Array.isArray(subject.O) ? subject.O : [subject.O];
    const name = Array.isArray(subject?.CN) ? subject.CN.at(-1) : subject?.CN;
    // Source: apiserver authentication/request/x509, CommonNameUserConversion.
    const id = `X509SHA256=${fingerprint256.replaceAll(':', '').toLowerCase()}`;
    const extra = { 'authentication.kubernetes.io/credential-id': [id] };
    if (name) user = { name, groups: [...groups, 'system:authenticated'], extra };
  }
  users.set(socket, user);
  return user;
}

/** The whole body, or the answer to give instead. A client that goes away in the middle of it gets none. */
function readBody(
  exchange: Exchange, done: (body: Uint8Array | null, error: ApiResponse | null) => void,
): void {
  if (exchange.method === 'GET' || exchange.method === 'HEAD') return done(null, null);
  const parts: Buffer[] = [];
  let bytes = 0, settled = false;
  exchange.onBody((part) => {
    bytes += part.length;
    if (settled) return;
    if (bytes <= limits.requestBodyBytesMax) return void parts.push(part);
    settled = true;
    done(null, failure(413, 'RequestEntityTooLarge',
      `Request entity too large: limit is ${limits.requestBodyBytesMax}`));
  }, () => {
    if (!settled) done(parts.length > 1 ? Buffer.concat(parts) : parts[0] ?? null, null);
    settled = true;
  });
}
