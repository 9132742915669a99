// The outbound port over node:https: calls to webhooks and aggregated APIs, by HTTP/1.1 as Kubernetes makes
// them, so that calls spread over the endpoints of a Service.
//
// What always holds: each call is told once how it ended, in its time, and never from inside `call`; a
// connection is kept only for a server that showed the same name under the same authorities; of an answer no
// more is held than its bound. What was sent over a kept connection that turns out closed is sent once more.

import { Agent, request as httpsRequest } from 'node:https';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { limits } from '../../cluster/limits.ts';
import type {
  OutboundEvent, OutboundFailure, OutboundPort, OutboundRequest, OutboundResult,
} from '../../cluster/ports.ts';

export interface Outbound extends OutboundPort {
  /** Ends all calls; nothing more comes of them. */
  close(): void;
}

interface Call {
  readonly id: string;
  readonly request: OutboundRequest;
  readonly timer: NodeJS.Timeout;
  sent: ClientRequest | null;
  repeated: boolean;
}

export function createOutbound(deliver: (event: OutboundEvent) => void): Outbound {
  const agent = new Agent({
    keepAlive: true, maxFreeSockets: limits.calloutConnectionsKeptMax, scheduling: 'lifo',
    timeout: limits.calloutConnectionKeptMs,
  });
  const open = new Map<string, Call>();

  function settle(call: Call, result: OutboundResult): void {
    if (!open.delete(call.id)) return;
    clearTimeout(call.timer);
    deliver({ type: 'outbound-done', id: call.id, result });
  }

  function fail(call: Call, reason: OutboundFailure['reason'], detail = ''): void {
    settle(call, { ok: false, failure: { reason, detail, address: call.request.address } });
    call.sent?.destroy();
  }

  function send(call: Call): void {
    if (!open.has(call.id)) return;
    try {
      call.sent = httpsRequest(optionsOf(call.request, agent));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return fail(call, 'broken', why);
    }
    call.sent.on('error', (error: NodeJS.ErrnoException) => failed(call, error));
    call.sent.on('response', (response) => receive(call, response));
    const { body } = call.request;
    call.sent.end(body ?? undefined);
  }

  function failed(call: Call, error: NodeJS.ErrnoException): void {
    const stale = call.sent?.reusedSocket === true && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
    if (stale && !call.repeated) {
      call.repeated = true;
      return send(call);
    }
    const { reason, detail } = reasonOf(error, call.request);
    fail(call, reason, detail);
  }

  function receive(call: Call, response: IncomingMessage): void {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > limits.calloutAnswerBytesMax) fail(call, 'too-large');
      else chunks.push(chunk);
    });
    response.on('error', (error: NodeJS.ErrnoException) => failed(call, error));
    response.on('close', () => { if (!response.complete) fail(call, 'broken', 'unexpected EOF'); });
    response.on('end', () => settle(call, {
      ok: true, status: response.statusCode ?? 0, headers: headersOf(response),
      body: new Uint8Array(Buffer.concat(chunks)),
    }));
  }

  return {
    call(id, request) {
      const call: Call = {
        id, request, sent: null, repeated: false,
        timer: setTimeout(() => fail(call, 'timeout'), Math.max(1, request.timeoutMs)),
      };
      open.set(id, call);
      setImmediate(send, call);
    },
    cancel(id) {
      const call = open.get(id);
      if (call === undefined) return;
      open.delete(id);
      clearTimeout(call.timer);
      call.sent?.destroy();
    },
    close() {
      for (const call of [...open.values()]) {
        open.delete(call.id);
        clearTimeout(call.timer);
        call.sent?.destroy();
      }
      agent.destroy();
    },
  };
}

function optionsOf(request: OutboundRequest, agent: Agent): Parameters<typeof httpsRequest>[1] & object {
  const { address, serverName, caBundle, body } = request;
  const length = body === null ? 0 : Buffer.byteLength(body);
  return {
    agent, method: request.method, host: address.host, port: address.port, path: request.path,
    // An address is no name to be told in the greeting: the certificate is held against the host itself.
    servername: isIP(serverName) === 0 ? serverName : '',
    ...caBundle === null ? {} : { ca: Buffer.from(caBundle, 'base64') },
    headers: {
      ...request.headers, host: request.authority,
      ...body === null ? {} : { 'content-length': length },
    },
  };
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) found[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return found;
}

type Reason = Pick<OutboundFailure, 'reason' | 'detail'>;

const untrusted = (detail: string): Reason => ({ reason: 'untrusted', detail });

function reasonOf(error: NodeJS.ErrnoException, { serverName }: OutboundRequest): Reason {
  const { code = '', message } = error;
  switch (code) {
    case 'ECONNREFUSED': return { reason: 'refused', detail: '' };
    case 'EHOSTUNREACH': case 'ENETUNREACH': case 'EHOSTDOWN': case 'EADDRNOTAVAIL': case 'ETIMEDOUT':
      return { reason: 'unreachable', detail: '' };
    case 'ENOTFOUND': case 'EAI_AGAIN': return { reason: 'unknown-host', detail: '' };
    case 'CERT_HAS_EXPIRED': case 'CERT_NOT_YET_VALID':
      return untrusted('certificate has expired or is not yet valid');
    case 'ERR_TLS_CERT_ALTNAME_INVALID': return untrusted(`certificate is not valid for ${serverName}`);
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE': case 'DEPTH_ZERO_SELF_SIGNED_CERT': case 'CERT_UNTRUSTED':
    case 'SELF_SIGNED_CERT_IN_CHAIN': case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_GET_ISSUER_CERT': case 'CERT_SIGNATURE_FAILURE': case 'INVALID_CA':
      return untrusted('certificate signed by unknown authority');
    case 'ECONNRESET': case 'EPIPE': return { reason: 'broken', detail: 'connection reset by peer' };
    default: return { reason: 'broken', detail: message };
  }
}
