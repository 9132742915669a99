// A client of the Kubernetes API over one HTTP/2 connection that many requests share: whole answers by their
// size, watches line by line.

import { connect } from 'node:http2';
import type { RestEndpoint, RestIdentity } from './rest.ts';

export interface Answer { readonly status: number; readonly bytes: number; readonly text: string }

export interface Client {
  call(
    method: string, path: string, headers?: Readonly<Record<string, string>>, body?: string,
  ): Promise<Answer>;
  /** Resolves once the watch is open. */
  watch(path: string, line: (text: string) => void): Promise<void>;
  close(): void;
}

/** Of longer answers only the size is kept. */
const textBytesMax = 1024 * 1024;

export function openClient({ host, port }: RestEndpoint, identity: RestIdentity): Client {
  const settings = { initialWindowSize: 16 * 1024 * 1024 };
  const session = connect(`https://${host}:${port}`, { ...identity, settings });
  session.on('error', () => undefined);
  session.on('connect', () => session.setLocalWindowSize(64 * 1024 * 1024));
  return {
    call: (method, path, headers = {}, body) => new Promise((done, fail) => {
      const stream = session.request({ ':method': method, ':path': path, ...headers });
      const parts: Buffer[] = [];
      let status = 0, bytes = 0;
      stream.on('response', (heads) => { status = Number(heads[':status']); });
      stream.on('data', (part: Buffer) => {
        bytes += part.length;
        if (bytes <= textBytesMax) parts.push(part);
      });
      stream.on('end', () => done({ status, bytes, text: Buffer.concat(parts).toString() }));
      stream.on('error', fail);
      stream.end(body);
    }),
    watch: (path, line) => new Promise((done, fail) => {
      const stream = session.request({ ':path': path });
      let rest = '';
      stream.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        for (const each of lines) line(each);
      });
      stream.on('response', (heads) => {
        if (heads[':status'] === 200) done();
        else fail(new Error(`a watch was answered ${String(heads[':status'])}`));
      });
      stream.on('error', fail);
    }),
    close: () => session.destroy(),
  };
}
