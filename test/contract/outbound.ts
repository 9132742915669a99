// The contract of the outbound port, as a suite that every adapter must pass.

import * as assert from 'uvu/assert';
import { limits } from '../../cluster/limits.ts';
import type { OutboundEvent, OutboundPort, OutboundRequest, OutboundResult } from '../../cluster/ports.ts';

/** A server that knows these paths; see `answerOf`. */
export interface OutboundHarness {
  readonly port: OutboundPort;
  readonly events: OutboundEvent[];
  /** The server's address, its name, and the bundle by which it is trusted. */
  readonly server: Pick<OutboundRequest, 'address' | 'serverName' | 'caBundle'>;
  /** An address where nobody listens, and a bundle that vouches for others only. */
  readonly nobody: OutboundRequest['address'];
  readonly otherBundle: string;
  until(what: string, condition: () => boolean): Promise<void>;
  pass(ms: number): Promise<void>;
  stop(): Promise<void>;
}

export interface Answer { readonly status: number; readonly body: string | Uint8Array;
  readonly afterMs?: number }

/** What the harness' server does: it says what it was sent, is slow, says too much, or hangs up (null). */
export function answerOf(method: string, path: string, said: string): Answer | null {
  switch (path) {
    case '/slow': return { status: 200, body: 'at last', afterMs: 2_000 };
    case '/large': return { status: 200, body: new Uint8Array(limits.calloutAnswerBytesMax + 1) };
    case '/full': return { status: 200, body: new Uint8Array(limits.calloutAnswerBytesMax) };
    case '/gone': return { status: 404, body: 'no such thing' };
    case '/hangs-up': return null;
    default: return { status: 200, body: `${method} ${path} ${said}` };
  }
}

type Test = (name: string, body: () => Promise<void>) => void;

/** Registers the whole suite. */
export function outboundContract(test: Test, name: string, make: () => Promise<OutboundHarness>): void {
  const it = (what: string, body: (harness: OutboundHarness) => Promise<void>): void => {
    test(`${name}: ${what}`, async () => {
      const harness = await make();
      try {
        await body(harness);
      } finally {
        await harness.stop();
      }
    });
  };

  function asks({ server }: OutboundHarness, path: string, more: Partial<OutboundRequest> = {}):
  OutboundRequest {
    return {
      method: 'POST', ...server, authority: `${server.serverName}:443`, path, body: 'hello', timeoutMs: 5_000,
      headers: { 'content-type': 'text/plain' }, ...more,
    };
  }

  async function result(harness: OutboundHarness, request: OutboundRequest): Promise<OutboundResult> {
    const { events, port } = harness, id = `call-${events.length}`;
    port.call(id, request);
    await harness.until(id, () => events.some((event) => event.id === id));
    return (events.find((event) => event.id === id) as OutboundEvent).result;
  }

  const text = (found: OutboundResult): string => found.ok
    ? `${found.status} ${new TextDecoder().decode(found.body)}` : found.failure.reason;

  it('a call has one answer, and not from inside the call', async (harness) => {
    const { events, port } = harness;
    port.call('a', asks(harness, '/a'));
    port.call('b', asks(harness, '/b', { body: new TextEncoder().encode('bytes') }));
    port.call('c', asks(harness, '/c', { method: 'GET', body: null }));
    assert.equal(events, []);
    await harness.until('three answers', () => events.length >= 3);
    await harness.pass(50);
    assert.equal(events.map((event) => `${event.id} ${text(event.result)}`).sort(),
      ['a 200 POST /a hello', 'b 200 POST /b bytes', 'c 200 GET /c ']);
  });

  it('any status is an answer', async (harness) => {
    assert.is(text(await result(harness, asks(harness, '/gone'))), '404 no such thing');
  });

  it('who is not reached, or is not whom its certificate names, is sent nothing', async (harness) => {
    assert.is(text(await result(harness, asks(harness, '/', { address: harness.nobody }))), 'refused');
    assert.is(text(await result(harness, asks(harness, '/', { caBundle: harness.otherBundle }))),
      'untrusted');
    assert.is(text(await result(harness, asks(harness, '/', { serverName: 'other.default.svc' }))),
      'untrusted');
    // The names do not get mixed up over connections that are kept.
    assert.is(text(await result(harness, asks(harness, '/x'))), '200 POST /x hello');
    assert.is(text(await result(harness, asks(harness, '/', { caBundle: harness.otherBundle }))),
      'untrusted');
  });

  it('a slow server is waited for no longer than was said', async (harness) => {
    assert.is(text(await result(harness, asks(harness, '/slow', { timeoutMs: 200 }))), 'timeout');
  });

  it('of an answer no more is taken than its bound', async (harness) => {
    const full = await result(harness, asks(harness, '/full'));
    assert.is(full.ok && full.body.length, limits.calloutAnswerBytesMax);
    assert.is(text(await result(harness, asks(harness, '/large'))), 'too-large');
  });

  it('a server that hangs up has not answered', async (harness) => {
    assert.is(text(await result(harness, asks(harness, '/hangs-up'))), 'broken');
  });

  it('nothing comes of a call that is cancelled', async (harness) => {
    const { events, port } = harness;
    port.call('a', asks(harness, '/slow', { timeoutMs: 100 }));
    port.call('b', asks(harness, '/b'));
    port.cancel('a');
    port.cancel('unknown');
    await harness.until('b', () => events.length > 0);
    await harness.pass(300);
    assert.equal(events.map(({ id }) => id), ['b']);
  });

  it('many calls at once are all answered', async (harness) => {
    const { events, port } = harness, count = 100;
    for (let n = 0; n < count; n++) port.call(`call ${n}`, asks(harness, `/${n}`));
    await harness.until('all', () => events.length === count);
    for (const { id, result: found } of events) {
      assert.is(text(found), `200 POST /${id.slice(5)} hello`);
    }
  });
}
