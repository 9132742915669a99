// The clients port of the simulator: carries requests of simulated users to one run of a peer, and its
// answers back. What always holds: a request ends at most once, and exactly once unless its user went away
// first: answered, ended, or broken because the peer is gone; what a peer says on one request arrives in
// order.

import { wholeBody } from '../../cluster/api/request.ts';
import type { ApiRequest, ApiResponse } from '../../cluster/api/request.ts';
import { requestId } from '../../cluster/ids.ts';
import type { RequestId } from '../../cluster/ids.ts';
import type { FlowEnd, FlowInput } from '../../cluster/flow.ts';
import type { ClientsEvent, ClientsPort } from '../../cluster/ports.ts';
import { hash32 } from '../../cluster/random.ts';
import type { SimScheduler } from '../heap.ts';

export type SimRequest = Omit<ApiRequest, 'id' | 'user'>;

/** What a user hears. */
export interface Ears {
  answer(response: ApiResponse): void;
  /** A stream: its status, its data, its end. */
  open?(status: number): void;
  chunk?(text: string): void;
  end?(): void;
  /** Its connection was switched over; what comes of its flows, and their ends. */
  upgraded?(): void;
  flow?(flow: number, text: string): void;
  flowEnd?(flow: number, end: FlowEnd): void;
  /** No more comes: the connection was refused or has broken. */
  broken(reason: string): void;
}

export interface SimClients {
  readonly port: ClientsPort;
  send(request: SimRequest, ears: Ears): RequestId;
  /** The user goes away and hears nothing any more. */
  close(id: RequestId): void;
  /** The user says something on a flow of a request that was switched over. */
  flowInput(id: RequestId, flow: number, input: FlowInput): void;
  /** The user of a port-forward wants a connection. */
  openFlow(id: RequestId, flow: number, port: number): void;
  /** The peer is gone. */
  stop(): void;
  /** Requests without an answer, and since when. */
  waiting(): readonly Waiting[];
}

export interface Waiting { readonly request: SimRequest; readonly sinceMs: number }

interface Open extends Waiting {
  readonly id: RequestId;
  readonly ears: Ears;
  streaming: boolean;
  /** The user went away. */
  deaf: boolean;
  /** When the last thing said so far arrives. */
  heardMs: number;
  /** When the last thing that the user said arrives. */
  saidMs: number;
}

const user = { name: 'admin', groups: ['system:masters', 'system:authenticated'] } as const;

/** One way between a user and a peer, milliseconds: at least this, at most a millisecond more. */
const wayMsMin = 0.3;

export function createClients(
  scheduler: SimScheduler, seed: number, prefix: string, deliver: (event: ClientsEvent) => void,
): SimClients {
  const open = new Map<RequestId, Open>();
  let last = 0, said = 0, stopped = false;

  function arrival(): number {
    said += 1;
    return scheduler.nowMs() + wayMsMin + (hash32(seed, said) % 1_000) / 1_000;
  }
  function say(one: Open, speak: (ears: Ears) => void): void {
    one.heardMs = Math.max(one.heardMs, arrival());
    scheduler.at(one.heardMs, () => { if (!one.deaf) speak(one.ears); });
  }
  function finish(id: RequestId, speak: (ears: Ears) => void): void {
    const one = open.get(id);
    if (one === undefined) return;
    open.delete(id);
    say(one, speak);
  }
  /** What a user says after its request arrives in order, too. */
  function tell(one: Open, event: ClientsEvent): void {
    one.saidMs = Math.max(one.saidMs, arrival());
    scheduler.at(one.saidMs, () => { if (!stopped && open.get(one.id) === one) deliver(event); });
  }
  function chunk(id: RequestId, data: string | Uint8Array): void {
    const one = open.get(id);
    if (one === undefined) return;
    const text = typeof data === 'string' ? data : new TextDecoder().decode(data);
    say(one, (ears) => ears.chunk?.(text));
  }
  return {
    port: {
      respond(id, response) {
        // All at once: users here are never slow.
        const whole = { ...response, body: wholeBody(response) };
        finish(id, (ears) => ears.answer(whole));
        if (response.rest === undefined) return;
        scheduler.at(scheduler.nowMs(), () => { if (!stopped) deliver({ type: 'request-closed', id }); });
      },
      open(id, status, _headers, first = null) {
        const one = open.get(id);
        if (one === undefined) return;
        one.streaming = true;
        say(one, (ears) => ears.open?.(status));
        const text = first === null ? '' : [...first].join('');
        if (text !== '') chunk(id, text);
      },
      chunk,
      tell(ids, data) { for (const id of ids) chunk(id, data); },
      end: (id) => finish(id, (ears) => ears.end?.()),
      upgrade(id) {
        const one = open.get(id);
        if (one === undefined) return;
        one.streaming = true;
        say(one, (ears) => ears.upgraded?.());
      },
      flowOutput(id, flow, _channel, data) {
        const one = open.get(id);
        if (one === undefined) return;
        const text = new TextDecoder().decode(data);
        say(one, (ears) => {
          ears.flow?.(flow, text);
          tell(one, { type: 'flow-drained', id, flow, bytes: data.length });
        });
      },
      flowEnd(id, flow, end) {
        const one = open.get(id);
        if (one === undefined) return;
        // An exec's or attach's ends the request.
        if (one.request.path.endsWith('/portforward')) say(one, (ears) => ears.flowEnd?.(flow, end));
        else finish(id, (ears) => ears.flowEnd?.(flow, end));
      },
      // What a simulated user says is far less than a window.
      flowGrant() {},
    },
    send(request, ears) {
      const id = requestId(`${prefix}-${(last += 1)}`);
      const sinceMs = scheduler.nowMs();
      const one: Open = { id, request, ears, sinceMs, streaming: false, deaf: false, heardMs: 0, saidMs: 0 };
      open.set(id, one);
      scheduler.at(arrival(), () => {
        if (!stopped && open.get(id) === one) deliver({ type: 'request', request: { ...request, id, user } });
      });
      return id;
    },
    close(id) {
      const one = open.get(id);
      if (one === undefined) return;
      one.deaf = true;
      open.delete(id);
      scheduler.at(arrival() + 1, () => { if (!stopped) deliver({ type: 'request-closed', id }); });
    },
    flowInput(id, flow, input) {
      const one = open.get(id);
      if (one !== undefined) tell(one, { type: 'flow-input', id, flow, input });
    },
    openFlow(id, flow, port) {
      const one = open.get(id);
      if (one !== undefined) tell(one, { type: 'flow-opened', id, flow, port });
    },
    stop() {
      stopped = true;
      for (const id of [...open.keys()]) finish(id, (ears) => ears.broken('connection reset by peer'));
    },
    waiting: () => [...open.values()].filter((one) => !one.streaming),
  };
}
