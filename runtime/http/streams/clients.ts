// The clients whose connections were switched over, by request: the clients port's side of exec, attach and
// port-forward. What always holds: nothing is delivered from inside a call into the port; what a session says
// after its request is over goes nowhere.

import type { RequestId } from '../../../cluster/ids.ts';
import type { StreamsRequest } from '../../../cluster/api/request.ts';
import type { FlowChannel, FlowEnd } from '../../../cluster/flow.ts';
import type { ClientsEvent } from '../../../cluster/ports.ts';
import type { SessionHooks, StreamSession } from './session.ts';
import type { UpgradeExchange } from './upgrade.ts';

export interface StreamClients {
  /** A request that may be switched over. */
  add(id: RequestId, exchange: UpgradeExchange): void;
  forget(id: RequestId): void;
  upgrade(id: RequestId, streams: StreamsRequest, closed: (id: RequestId) => void): void;
  output(id: RequestId, flow: number, channel: FlowChannel, data: Uint8Array): void;
  /** Whether this ended the request, too. */
  end(id: RequestId, flow: number, end: FlowEnd): boolean;
  grant(id: RequestId, flow: number, bytes: number): void;
}

interface Upgraded { readonly session: StreamSession; readonly streams: StreamsRequest }

export function createStreamClients(deliver: (event: ClientsEvent) => void): StreamClients {
  const waiting = new Map<RequestId, UpgradeExchange>(), sessions = new Map<RequestId, Upgraded>();

  function hooksOf(id: RequestId, closed: (id: RequestId) => void): SessionHooks {
    /** Later, while the request is not over. */
    const tell = (event: ClientsEvent): void => {
      setImmediate(() => { if (sessions.has(id)) deliver(event); });
    };
    return {
      opened: (flow, port) => tell({ type: 'flow-opened', id, flow, port }),
      input: (flow, input) => tell({ type: 'flow-input', id, flow, input }),
      drained: (flow, bytes) => tell({ type: 'flow-drained', id, flow, bytes }),
      closed: (flow) => tell({ type: 'flow-closed', id, flow }),
      over: () => void setImmediate(() => closed(id)),
    };
  }

  return {
    add: (id, exchange) => { waiting.set(id, exchange); },
    forget(id) {
      waiting.delete(id);
      sessions.delete(id);
    },
    upgrade(id, streams, closed) {
      const exchange = waiting.get(id);
      if (exchange === undefined) return;
      waiting.delete(id);
      const session = exchange.upgrade(streams, hooksOf(id, closed));
      if (session !== null) sessions.set(id, { session, streams });
      // It was refused, and its client told so.
      else setImmediate(() => closed(id));
    },
    output: (id, flow, channel, data) => sessions.get(id)?.session.output(flow, channel, data),
    end(id, flow, end) {
      const found = sessions.get(id);
      if (found === undefined) return false;
      found.session.end(flow, end);
      if (found.streams.kind === 'portforward') return false;
      return sessions.delete(id);
    },
    grant: (id, flow, bytes) => sessions.get(id)?.session.grant(flow, bytes),
  };
}
