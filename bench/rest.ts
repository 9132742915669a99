// One connection to the Kubernetes API: HTTP/1.1 with keep-alive over TLS, one request at a time, written and
// read by hand, so that the load takes as little as possible of the cores that it shares with the peers.
// It reads what an API server sends: a status line, headers, and a body of `content-length` bytes.

import { connect } from 'node:tls';
import type { TestPeer } from '../test/e2e/cluster.ts';
import { readCredentials } from '../test/e2e/client.ts';

export interface RestEndpoint { readonly host: string; readonly port: number }
export interface RestIdentity { readonly ca: string; readonly cert: string; readonly key: string }
export interface RestAnswer { readonly status: number; readonly body: string }

export interface RestConnection {
  readonly open: boolean;
  /** Rejects when the connection fails before the whole answer is here: nobody knows what became of it. */
  send(method: string, path: string, body?: string): Promise<RestAnswer>;
  close(): void;
}

interface Waiting { readonly done: (answer: RestAnswer) => void; readonly fail: (error: Error) => void }

export async function connectRest(
  to: RestEndpoint, identity: RestIdentity, timeoutMs = 10_000,
): Promise<RestConnection> {
  const socket = connect({ ...to, ...identity, ALPNProtocols: ['http/1.1'], servername: 'localhost',
    checkServerIdentity: () => undefined });
  socket.setNoDelay(true);
  await new Promise<void>((done, fail) => {
    const timer = setTimeout(() => fail(new Error(`${to.host}:${to.port} does not let us in`)), timeoutMs);
    socket.once('secureConnect', () => { clearTimeout(timer); done(); });
    socket.once('error', (error) => { clearTimeout(timer); fail(error); });
  }).catch((error: unknown) => {
    socket.destroy();
    throw error;
  });
  let waiting: Waiting | null = null, kept: Buffer = Buffer.alloc(0), open = true;

  function fail(error: Error): void {
    open = false;
    socket.destroy();
    const { fail: tell } = waiting ?? {};
    waiting = null;
    tell?.(error);
  }
  socket.on('data', (data: Buffer) => {
    kept = kept.length === 0 ? data : Buffer.concat([kept, data]);
    const answer = readAnswer(kept);
    if (answer === null) return;
    kept = Buffer.alloc(0);
    if (answer.last) open = false;
    const { done } = waiting ?? {};
    waiting = null;
    done?.(answer);
  });
  socket.on('error', fail);
  socket.on('close', () => fail(new Error(`${to.host}:${to.port} closed the connection`)));
  const head = ` HTTP/1.1\r\nhost: ${to.host}:${to.port}\r\naccept: application/json\r\n`;
  return {
    get open() { return open; },
    send: (method, path, body) => new Promise((done, fail) => {
      if (!open || waiting !== null) return fail(new Error('the connection is closed or busy'));
      waiting = { done, fail };
      const rest = body === undefined ? '\r\n'
        : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
      socket.write(`${method} ${path}${head}${rest}`);
    }),
    close() {
      open = false;
      socket.destroy();
    },
  };
}

/** The answer once it is whole. */
function readAnswer(bytes: Buffer): (RestAnswer & { readonly last: boolean }) | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const head = bytes.toString('latin1', 0, end).toLowerCase();
  const length = Number(/\r\ncontent-length: (\d+)/.exec(head)?.[1] ?? 0);
  if (bytes.length < end + 4 + length) return null;
  return {
    status: Number(head.slice(9, 12)), body: bytes.toString('utf8', end + 4, end + 4 + length),
    last: head.includes('\r\nconnection: close'),
  };
}

/** Where a peer's API is, and who its kubeconfig says that we are. */
export function endpointOf(peer: TestPeer): { endpoint: RestEndpoint; identity: RestIdentity } {
  const { server, ca, cert, key } = readCredentials(peer.kubeconfig), { hostname, port } = new URL(server);
  const text = (bytes: Buffer | undefined): string => bytes?.toString() ?? '';
  return {
    endpoint: { host: hostname, port: Number(port) },
    identity: { ca: text(ca), cert: text(cert), key: text(key) },
  };
}
