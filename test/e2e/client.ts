// A plain HTTPS client for the end-to-end tests: one request on one connection, headers and all, with the
// certificate of a kubeconfig; so that what a test sees is the peer's doing and not a library's.

import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { parse } from 'yaml';
import type { Node, Pod } from '../../cluster/api/types.ts';

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface NodeView { readonly name: string; readonly ready: string; readonly object: Node }

export interface ApiClient {
  readonly server: string;
  send(method: string, path: string, body?: unknown, timeoutMs?: number): Promise<ApiAnswer>;
  /** The decoded body; an answer of 400 or above throws with its message. */
  json<T>(method: string, path: string, body?: unknown): Promise<T>;
  nodes(): Promise<readonly NodeView[]>;
  pods(selector?: string): Promise<readonly Pod[]>;
}

interface Kubeconfig {
  readonly clusters: readonly [{
    readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string };
  }];
  readonly users: readonly [{
    readonly user: { readonly 'client-certificate-data': string; readonly 'client-key-data': string };
  }];
}

export interface Credentials { readonly ca: Buffer; readonly cert?: Buffer; readonly key?: Buffer }

export function readCredentials(kubeconfig: string): Credentials & { readonly server: string } {
  const config = parse(readFileSync(kubeconfig, 'utf8')) as Kubeconfig;
  const { cluster } = config.clusters[0], { user } = config.users[0];
  const bytes = (text: string): Buffer => Buffer.from(text, 'base64');
  return {
    server: cluster.server, ca: bytes(cluster['certificate-authority-data']),
    cert: bytes(user['client-certificate-data']), key: bytes(user['client-key-data']),
  };
}

/** A client of the first cluster of a kubeconfig, as its first user. */
export function connectClient(kubeconfig: string): ApiClient {
  const { server, ...tls } = readCredentials(kubeconfig);
  return clientOf(server, tls);
}

export function clientOf(server: string, tls: Credentials): ApiClient {
  const send: ApiClient['send'] = (method, path, body, timeoutMs = 30_000) =>
    exchange(new URL(path, server), method, tls, body, timeoutMs);
  async function json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await send(method, path, body);
    const value = JSON.parse(answer.body) as T & { message?: string };
    if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${value.message ?? ''}`);
    return value;
  }
  return {
    server, send, json,
    async nodes() {
      const { items } = await json<{ items: Node[] }>('GET', '/api/v1/nodes');
      return items.map((object) => ({
        name: object.metadata.name, object,
        ready: object.status?.conditions?.find(({ type }) => type === 'Ready')?.status ?? 'Unknown',
      }));
    },
    async pods(selector) {
      const query = selector === undefined ? '' : `?labelSelector=${encodeURIComponent(selector)}`;
      return (await json<{ items: Pod[] }>('GET', `/api/v1/namespaces/default/pods${query}`)).items;
    },
  };
}

function exchange(
  url: URL, method: string, tls: Credentials, body: unknown, timeoutMs: number,
): Promise<ApiAnswer> {
  return new Promise((done, fail) => {
    const text = body === undefined ? null : JSON.stringify(body);
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const headers = { accept: 'application/json', ...text === null ? {} : { 'content-type': type } };
    const options = { method, ...tls, headers, timeout: timeoutMs, agent: false };
    const outgoing = request(url, options, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => done({
        status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts).toString(),
      }));
      response.on('error', fail);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    const what = `${method} ${url.host}${url.pathname}`;
    outgoing.on('error', (error) => fail(new Error(`${what}: ${error.message}`)));
    outgoing.end(text ?? undefined);
  });
}
