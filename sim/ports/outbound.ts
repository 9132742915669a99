// The outbound port of the simulator: servers of the users' own are functions, the way to them is slow, lossy
// and at times shut, as the seed has it.
//
// What always holds: the same seed gives the same fates in the same order; a call has one completion, in its
// time, and none once it is cancelled or its peer has crashed; no byte is shared between caller and server.

import { limits } from '../../cluster/limits.ts';
import type { OutboundEvent, OutboundPort, OutboundRequest, OutboundResult } from '../../cluster/ports.ts';
import { createRandom } from '../../cluster/random.ts';
import type { SimScheduler, SimTask } from '../heap.ts';

/** What a server answers, and how long it thinks; null: it closes the connection. */
export type SimServer = (request: OutboundRequest) => {
  readonly status: number; readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array; readonly afterMs?: number;
} | null;

/** Servers by `host:port`, shared by all machines of a world. */
export type SimServers = ReadonlyMap<string, {
  readonly serve: SimServer;
  /** The bundle by which its certificate is trusted, and the name in it. */
  readonly caBundle: string;
  readonly serverName: string;
}>;

export interface OutboundFaults {
  readonly latencyMsMax: number;
  /** Calls of a hundred that are never answered, and that are refused. */
  readonly lostPercent: number;
  readonly refusedPercent: number;
}

export const noOutboundFaults: OutboundFaults = { latencyMsMax: 2, lostPercent: 0, refusedPercent: 0 };

export interface SimOutbound extends OutboundPort {
  /** A crash: nothing more comes of any call. */
  stop(): void;
}

export function createSimOutbound(
  scheduler: SimScheduler, seed: number, servers: SimServers, deliver: (event: OutboundEvent) => void,
  faults: OutboundFaults = noOutboundFaults,
): SimOutbound {
  const random = createRandom(seed), open = new Map<string, SimTask>();
  let stopped = false;

  function end(id: string, afterMs: number, result: OutboundResult): void {
    open.set(id, scheduler.at(scheduler.nowMs() + afterMs, () => {
      open.delete(id);
      if (!stopped) deliver({ type: 'outbound-done', id, result });
    }));
  }

  function fate(request: OutboundRequest): { readonly afterMs: number; readonly result: OutboundResult } {
    const { address, timeoutMs } = request, { latencyMsMax, lostPercent, refusedPercent } = faults;
    const latencyMs = 1 + random.below(Math.max(1, latencyMsMax));
    const refused = random.below(100) < refusedPercent, lost = random.below(100) < lostPercent;
    const failed = (reason: 'refused' | 'untrusted' | 'timeout' | 'too-large' | 'broken', detail = ''):
    OutboundResult => ({ ok: false, failure: { reason, address, detail } });
    const tooLate = { afterMs: timeoutMs, result: failed('timeout') };
    const inTime = (afterMs: number, result: OutboundResult): typeof tooLate =>
      afterMs >= timeoutMs ? tooLate : { afterMs, result } as typeof tooLate;
    const server = servers.get(`${address.host}:${address.port}`);
    if (server === undefined || refused) return inTime(latencyMs, failed('refused'));
    if (lost) return tooLate;
    if (request.caBundle !== server.caBundle) {
      return inTime(latencyMs, failed('untrusted', 'certificate signed by unknown authority'));
    }
    if (request.serverName !== server.serverName) {
      return inTime(latencyMs, failed('untrusted', `certificate is not valid for ${request.serverName}`));
    }
    const answer = server.serve(structuredClone(request));
    if (answer === null) return inTime(latencyMs, failed('broken', 'connection reset by peer'));
    const { status, headers = {}, body: given, afterMs = 0 } = answer;
    const body = typeof given === 'string' ? new TextEncoder().encode(given) : given.slice();
    return inTime(2 * latencyMs + afterMs, body.length > limits.calloutAnswerBytesMax ? failed('too-large')
      : { ok: true, status, headers, body });
  }

  return {
    call(id, request) {
      if (stopped) return;
      const { afterMs, result } = fate(request);
      end(id, afterMs, result);
    },
    cancel(id) {
      const task = open.get(id);
      if (task !== undefined) scheduler.cancel(task);
      open.delete(id);
    },
    stop() { stopped = true; },
  };
}
