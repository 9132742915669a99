// One connection to the Kubernetes API, over TLS with the client's certificate: HTTP/2, whose streams many
// clients may share as those of one Kubernetes client do.

import { connect } from 'node:tls';
import { readCredentials } from '../test/e2e/client.ts';
import type { TestPeer } from '../test/e2e/cluster.ts';
import { headerBlock, names, openHttp2 } from './http2.ts';

export interface RestEndpoint { readonly host: string; readonly port: number }
export interface RestIdentity { readonly ca: string; readonly cert: string; readonly key: string }
export interface RestAnswer { readonly status: number; readonly body: string }

export interface RestConnection {
  readonly open: boolean;
  /** Rejects when the connection fails before the whole answer is here: nobody knows what became of it. */
  post(path: string, body: string): Promise<RestAnswer>;
  close(): void;
}

const timeoutMs = 10_000;

export async function connectRest(to: RestEndpoint, identity: RestIdentity): Promise<RestConnection> {
  const socket = connect({ ...to, ...identity, ALPNProtocols: ['h2'] });
  socket.setNoDelay(true);
  try {
    await new Promise<void>((done, fail) => {
      socket.setTimeout(timeoutMs, () => fail(new Error(`${to.host}:${to.port} does not let us in`)));
      socket.once('secureConnect', done);
      socket.once('error', fail);
    });
  } catch (error) {
    socket.destroy();
    throw error;
  }
  socket.setTimeout(0);
  const connection = openHttp2(socket);
  return {
    get open() { return connection.open; },
    async post(path, text) {
      const body = Buffer.from(text);
      const headers = headerBlock('POST', 'https', [
        [names.path, path], [names.authority, `${to.host}:${to.port}`], [names.accept, 'application/json'],
        [names.contentType, 'application/json'], [names.contentLength, String(body.length)],
      ]);
      const reply = await connection.call(headers, body);
      return { status: reply.status, body: reply.body.toString() };
    },
    close: () => connection.close(),
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
