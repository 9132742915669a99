// A small client of the Kubernetes API for the command line: one request at a time, with the certificate of a
// kubeconfig that Shoal wrote.

import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { parse } from 'yaml';
import { defaultDir } from '../settings.ts';

export interface ClientFlags {
  readonly kubeconfig?: string;
  readonly context?: string;
  /** Instead of the context's: another peer of the same cluster. */
  readonly server?: string;
}

export interface Answer { readonly status: number; readonly body: string }

export interface Client {
  readonly server: string;
  /** Every peer of the kubeconfig, the one that is asked first. */
  readonly contexts: readonly string[];
  send(method: string, path: string, body?: unknown): Promise<Answer>;
  /** The decoded answer; a Status of failure rejects with its message. */
  json<T>(method: string, path: string, body?: unknown): Promise<T>;
}

const timeoutMs = 30_000;

interface Kubeconfig {
  readonly 'current-context': string;
  readonly contexts: readonly { readonly name: string;
    readonly context: { readonly cluster: string; readonly user: string } }[];
  readonly clusters: readonly { readonly name: string;
    readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string } }[];
  readonly users: readonly { readonly name: string;
    readonly user: { readonly 'client-certificate-data': string; readonly 'client-key-data': string } }[];
}

export function openClient(flags: ClientFlags): Client {
  const path = findKubeconfig(flags.kubeconfig);
  const config = parse(readFileSync(path, 'utf8')) as Kubeconfig;
  const wanted = flags.context ?? config['current-context'];
  const context = config.contexts.find((each) => each.name === wanted);
  const cluster = config.clusters.find((each) => each.name === context?.context.cluster)?.cluster;
  const user = config.users.find((each) => each.name === context?.context.user)?.user;
  if (cluster === undefined || user === undefined) throw new Error(`${path} has no context "${wanted}"`);
  const server = flags.server ?? cluster.server;
  const decode = (text: string): Buffer => Buffer.from(text, 'base64');
  const tls = {
    ca: decode(cluster['certificate-authority-data']),
    cert: decode(user['client-certificate-data']), key: decode(user['client-key-data']),
  };
  const send = (method: string, path: string, body?: unknown): Promise<Answer> =>
    exchange(new URL(path, server), method, tls, body);
  return {
    server, send,
    contexts: [wanted, ...config.contexts.map(({ name }) => name).filter((name) => name !== wanted)],
    async json<T>(method: string, path: string, body?: unknown): Promise<T> {
      const { status, body: text } = await send(method, path, body);
      const value = JSON.parse(text) as T & { message?: string };
      if (status >= 400) throw new Error(value.message ?? `HTTP ${status}`);
      return value;
    },
  };
}

function exchange(
  url: URL, method: string, tls: { ca: Buffer; cert: Buffer; key: Buffer }, body: unknown,
): Promise<Answer> {
  return new Promise((done, fail) => {
    const text = body === undefined ? null : JSON.stringify(body);
    const patch = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const headers = { accept: 'application/json', ...text === null ? {} : { 'content-type': patch } };
    const outgoing = request(url, { method, ...tls, headers, timeout: timeoutMs, agent: false },
      (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => done({ status: response.statusCode ?? 0,
        body: Buffer.concat(parts).toString() }));
      response.on('error', fail);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${url.host} does not answer`)));
    outgoing.on('error', (error) => fail(new Error(`${url.host}: ${error.message}`)));
    outgoing.end(text ?? undefined);
  });
}

function findKubeconfig(given: string | undefined): string {
  if (given !== undefined) return given;
  const candidates = [process.env['KUBECONFIG'], '.shoal/kubeconfig', join(defaultDir(), 'kubeconfig')];
  const found = candidates.find((path) => path !== undefined && path !== '' && existsSync(path));
  if (found === undefined) throw new Error('no kubeconfig found; name one with --kubeconfig');
  return found;
}
