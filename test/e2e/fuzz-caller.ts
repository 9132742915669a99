// Sends the campaign's requests over HTTP/2: a session for each kind of user, opened again where the peer
// ended it. A stream that goes on (a watch, a log) is left after a moment.

import { connect } from 'node:http2';
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { readCredentials } from './client.ts';
import type { TestPeer } from './cluster.ts';
import type { Asked } from './fuzz-requests.ts';

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Left before its end. */
  readonly cut: boolean;
}

export interface Caller {
  /** Of the ServiceAccount `default`, which may do nothing. */
  readonly token: string;
  send(asked: Asked): Promise<Answered>;
  close(): Promise<void>;
}

const answerTimeoutMs = 60_000, goesOnMs = 300, triesMax = 20, triesAfterMs = 200;
const passing = /GOAWAY|REFUSED_STREAM|ENHANCE_YOUR_CALM|ECONNRESET|closed without|session|socket/i;
/** Large bodies wait in it to be sent. */
const sessionMB = 256;

export async function openCaller(peer: TestPeer): Promise<Caller> {
  const { server, ca, cert, key } = readCredentials(peer.kubeconfig);
  const account = '/api/v1/namespaces/default/serviceaccounts/default/token';
  const { status } = await peer.api.json<{ status: { token: string } }>('POST', account, {
    apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 7_200 },
  });
  const sessions = new Map<string, ClientHttp2Session>();
  const sessionOf = (user: string): ClientHttp2Session => {
    const known = sessions.get(user);
    if (known !== undefined && !known.closed && !known.destroyed) return known;
    const own = user === 'admin' && cert !== undefined && key !== undefined ? { cert, key } : {};
    const made = connect(server, { ca, ...own, maxSessionMemory: sessionMB });
    made.on('error', () => made.destroy());
    sessions.set(user, made);
    return made;
  };
  return {
    token: status.token,
    async send(asked) {
      const { user } = asked;
      const shown = user === 'robot' ? { authorization: `Bearer ${status.token}` }
        : user === 'nobody' && asked.path.length % 2 === 0 ? { authorization: 'Bearer a.b.c' } : {};
      for (let tries = 1; ; tries++) {
        const answer = await once(sessionOf(user), asked, shown).catch((error: unknown) => {
          // The session ended first; or has so much under way that the peer asks for patience.
          if (tries < triesMax && passing.test(String(error))) return null;
          throw error;
        });
        if (answer !== null) return answer;
        await sleep(triesAfterMs);
      }
    },
    async close() {
      const ends = [...sessions.values()].map((session) => new Promise<void>((done) => {
        if (session.closed) done();
        else session.close(() => done());
        setTimeout(() => session.destroy(), 1_000).unref();
        session.on('close', () => done());
      }));
      await Promise.all(ends);
    },
  };
}

function once(session: ClientHttp2Session, asked: Asked, shown: Record<string, string>): Promise<Answered> {
  const { method, path, query, headers, body } = asked, target = query === '' ? path : `${path}?${query}`;
  return new Promise((done, fail) => {
    const stream = session.request(
      { ...headers, ...shown, ':method': method, ':path': target.startsWith('/') ? target : `/${target}` },
      { endStream: body === null });
    const parts: Buffer[] = [];
    let given: IncomingHttpHeaders | null = null, settled = false, later: NodeJS.Timeout | null = null;
    const settle = (cut: boolean): void => {
      if (settled || given === null) return;
      settled = true;
      clearTimeout(timer);
      if (later !== null) clearTimeout(later);
      const text = Buffer.concat(parts).toString();
      done({ status: Number(given[':status']), headers: given, text, cut });
    };
    const timer = setTimeout(() => {
      stream.close();
      if (!settled) fail(new Error(`no answer within ${answerTimeoutMs} ms`));
      settled = true;
    }, answerTimeoutMs);
    stream.on('response', (received) => {
      given = received;
      if (Number(received[':status']) === 200 && /watch|follow/.test(query)) {
        later = setTimeout(() => {
          settle(true);
          stream.close();
        }, goesOnMs);
      }
    });
    stream.on('data', (data: Buffer) => parts.push(data));
    stream.on('end', () => settle(false));
    stream.on('error', (error) => {
      // A body that is refused need not be read to its end.
      if (given !== null) return settle(true);
      clearTimeout(timer);
      if (!settled) fail(error);
      settled = true;
    });
    stream.on('close', () => {
      if (given !== null) return settle(true);
      clearTimeout(timer);
      if (!settled) fail(new Error('the stream was closed without an answer'));
      settled = true;
    });
    if (body !== null) stream.end(body);
  });
}
