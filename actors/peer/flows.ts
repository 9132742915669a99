// Exec, attach and port-forward: flows from a client of this peer into a container of the peer that runs the
// pod, and from other peers' clients into containers of this one.
//
// What always holds: each side sends no more than the other has granted, so a slow reader holds up its own
// flow and nothing else; what does not arrive in order ends the flow rather than leave a hole; when either
// peer goes away, the flow ends, the client hears of it, and what was started for it is ended.

import type { PeerId, RequestId } from '../../cluster/ids.ts';
import { unreachable } from '../../cluster/assert.ts';
import { limits } from '../../cluster/limits.ts';
import { failure } from '../../cluster/api/status.ts';
import type { ApiResponse, StreamsRequest } from '../../cluster/api/request.ts';
import { failedFlow } from '../../cluster/flow.ts';
import type { FlowEnd, FlowInput, FlowOutput, FlowTarget } from '../../cluster/flow.ts';
import type { PeerMessage } from '../../cluster/messages.ts';
import type { ClientsEvent, ContainersEvent } from '../../cluster/ports.ts';
import type { Core } from './core.ts';
import { createServedFlows } from './served-flows.ts';
import { peerOf } from './streams.ts';

export type FlowMessage = Extract<PeerMessage, { kind: `flow-${string}` }>;
export type FlowClientsEvent = Extract<ClientsEvent, { type: `flow-${string}` }>;
export type FlowContainersEvent = Extract<ContainersEvent, { type: `flow-${string}` }>;

export interface Flows {
  open(id: RequestId, user: string, streams: StreamsRequest, respond: (response: ApiResponse) => void): void;
  client(event: FlowClientsEvent): void;
  /** The client is gone. */
  close(id: RequestId): void;
  container(event: FlowContainersEvent): void;
  message(from: PeerId, message: FlowMessage): void;
  disconnected(peer: PeerId): void;
}

export interface FlowHooks {
  send(to: PeerId, message: PeerMessage): void;
  /** What is wanted, as it is on this peer; null: it does not run here. */
  target(streams: StreamsRequest, port: number): FlowTarget | null;
  /** This peer has ended a client's request. */
  ended(id: RequestId): void;
}

/** A client's request and its flows. `from` null: the pod runs here. */
interface Session {
  readonly id: RequestId;
  readonly user: string;
  readonly streams: StreamsRequest;
  readonly from: PeerId | null;
  readonly respond: (response: ApiResponse) => void;
  upgraded: boolean;
  readonly flows: Map<number, Asked>;
}

interface Asked { readonly number: number; sent: number; expected: number }

export function createFlows(core: Core, hooks: FlowHooks): Flows {
  const sessions = new Map<RequestId, Session>();
  const served = createServedFlows(core, hooks);

  /** Ids of requests begin anew with each run of a peer; the names that others know must not. */
  const nameOf = (session: Session, flow: number): string => `${core.incarnation}/${session.id}/${flow}`;
  const localName = (session: Session, flow: number): string => `client/${session.id}/${flow}`;

  function refusalOf(user: string, from: PeerId | null): string | null {
    const all = [...sessions.values()];
    if (all.length >= limits.streamRequestsMax) return 'too many streams on this peer; try another';
    if (all.filter((session) => session.user === user).length >= limits.streamRequestsPerUserMax) {
      return `too many streams of user "${user}" on this peer; end some first`;
    }
    return from === null || flowsTo(from) < limits.flowsPerPeerMax ? null
      : 'too many streams between this peer and the one that runs the pod; try another peer';
  }

  /** Credit beyond the window, for a flow that was just opened. */
  const bonusOf = ({ from }: Session): number =>
    (flowsTo(from) <= limits.flowBonusesMax ? limits.flowBonusBytes : 0);

  function flowsTo(peer: PeerId | null): number {
    let count = 0;
    for (const session of sessions.values()) if (session.from === peer) count += session.flows.size;
    return count;
  }

  function open(
    id: RequestId, user: string, streams: StreamsRequest, respond: (response: ApiResponse) => void,
  ): void {
    const here = streams.node === core.config.name, from = here ? null : peerOf(core, streams.node);
    if (!here && from === null) {
      return respond(failure(500, 'InternalError', `node "${streams.node}" is not known`));
    }
    const refusal = refusalOf(user, from);
    if (refusal !== null) return respond(failure(429, 'TooManyRequests', refusal));
    const session: Session = { id, user, streams, from, respond, upgraded: false, flows: new Map() };
    sessions.set(id, session);
    // The connections of a port-forward are opened later, by the client.
    if (streams.kind === 'portforward') upgrade(session);
    else openFlow(session, 0, 0);
  }

  function upgrade(session: Session): void {
    if (session.upgraded) return;
    session.upgraded = true;
    core.ports.clients.upgrade(session.id, session.streams);
  }

  function openFlow(session: Session, number: number, port: number): void {
    const { streams, from, flows } = session, late = `the peer of node ${streams.node} does not answer`;
    const full = flows.size >= limits.flowsPerRequestMax || from !== null
      && flowsTo(from) >= limits.flowsPerPeerMax;
    flows.set(number, { number, sent: 0, expected: 0 });
    if (full) {
      core.defer(() => finish(session, number, failedFlow('too many connections at once')));
    } else if (from === null) {
      const target = hooks.target(streams, port);
      if (target === null) return core.defer(() => finish(session, number, notThere(streams)));
      if (streams.kind !== 'portforward') upgrade(session);
      const bonus = bonusOf(session);
      core.ports.containers.openFlow(localName(session, number), target, limits.flowWindowBytes + bonus);
      core.ports.clients.flowGrant(session.id, number, bonus);
    } else {
      const flow = nameOf(session, number);
      hooks.send(from, { kind: 'flow-open', flow, streams, port });
      core.arm(`flow/${flow}`, limits.flowOpenMs, () => {
        drop(session, number);
        finish(session, number, failedFlow(late));
      });
    }
  }

  function output(session: Session, number: number, out: FlowOutput): void {
    switch (out.type) {
      case 'opened':
        core.disarm(`flow/${nameOf(session, number)}`);
        if (session.streams.kind !== 'portforward') upgrade(session);
        return widen(session, number);
      case 'data': return core.ports.clients.flowOutput(session.id, number, out.channel, out.data);
      case 'end': return finish(session, number, out.end);
      default: return unreachable(out);
    }
  }

  function widen(session: Session, number: number): void {
    const { from } = session, bytes = bonusOf(session);
    if (from !== null && bytes > 0) {
      hooks.send(from, { kind: 'flow-credit', flow: nameOf(session, number), bytes });
    }
  }

  function finish(session: Session, number: number, end: FlowEnd): void {
    if (sessions.get(session.id) !== session || !session.flows.delete(number)) return;
    core.disarm(`flow/${nameOf(session, number)}`);
    if (session.upgraded) core.ports.clients.flowEnd(session.id, number, end);
    if (session.streams.kind === 'portforward') return;
    sessions.delete(session.id);
    if (!session.upgraded) return session.respond(refusedResponse(end));
    hooks.ended(session.id);
  }

  /** Tells the other end that nobody wants the flow any more. */
  function drop(session: Session, number: number): void {
    core.disarm(`flow/${nameOf(session, number)}`);
    if (session.from === null) core.ports.containers.closeFlow(localName(session, number));
    else hooks.send(session.from, { kind: 'flow-close', flow: nameOf(session, number) });
  }

  function input(session: Session, asked: Asked, given: FlowInput): void {
    const { from } = session;
    if (from === null) return core.ports.containers.flowInput(localName(session, asked.number), given);
    hooks.send(from, {
      kind: 'flow-input', flow: nameOf(session, asked.number), sequence: asked.sent, input: given,
    });
    asked.sent += 1;
  }

  function client(event: FlowClientsEvent): void {
    const session = sessions.get(event.id);
    if (session === undefined) return;
    if (event.type === 'flow-opened') return openFlow(session, event.flow, event.port);
    const asked = session.flows.get(event.flow);
    if (asked === undefined) return;
    switch (event.type) {
      case 'flow-input': return input(session, asked, event.input);
      case 'flow-drained': {
        const { bytes } = event;
        if (session.from === null) {
          return core.ports.containers.flowCredit(localName(session, event.flow), bytes);
        }
        return hooks.send(session.from, { kind: 'flow-credit', flow: nameOf(session, event.flow), bytes });
      }
      case 'flow-closed':
        drop(session, event.flow);
        session.flows.delete(event.flow);
        return;
      default: return unreachable(event);
    }
  }

  /** The session and the number that a local or remote name of a flow stands for. */
  function find(name: string): { readonly session: Session; readonly asked: Asked } | null {
    const cut = name.lastIndexOf('/'), id = name.slice(name.indexOf('/') + 1, cut) as RequestId;
    const session = sessions.get(id);
    const asked = session?.flows.get(Number(name.slice(cut + 1)));
    return session === undefined || asked === undefined ? null : { session, asked };
  }

  function message(from: PeerId, incoming: FlowMessage): void {
    if (served.message(from, incoming)) return;
    const found = find(incoming.flow);
    if (found === null || found.session.from !== from) return;
    const { session, asked } = found, { number } = asked;
    if (incoming.flow !== nameOf(session, number)) return;
    switch (incoming.kind) {
      case 'flow-credit': return core.ports.clients.flowGrant(session.id, number, incoming.bytes);
      case 'flow-close': return finish(session, number, failedFlow('the stream was lost'));
      case 'flow-output':
        if (incoming.sequence !== asked.expected) {
          drop(session, number);
          return finish(session, number, failedFlow('a part was lost on the way; please try again'));
        }
        asked.expected += 1;
        return output(session, number, incoming.output);
      case 'flow-open': case 'flow-input': return;
      default: return unreachable(incoming);
    }
  }

  function container(event: FlowContainersEvent): void {
    if (served.container(event)) return;
    const found = find(event.flow);
    if (found === null || found.session.from !== null) return;
    const { session, asked: { number } } = found;
    switch (event.type) {
      case 'flow-output': return output(session, number, { ...event, type: 'data' });
      case 'flow-taken': return core.ports.clients.flowGrant(session.id, number, event.bytes);
      case 'flow-end': return finish(session, number, event.end);
      default: return unreachable(event);
    }
  }

  return {
    open, client, message, container,
    close(id) {
      const session = sessions.get(id);
      if (session === undefined) return;
      for (const number of [...session.flows.keys()]) drop(session, number);
      sessions.delete(id);
    },
    disconnected(peer) {
      for (const session of [...sessions.values()].filter(({ from }) => from === peer)) {
        const gone = failedFlow(`the peer of node ${session.streams.node} went away`);
        for (const number of [...session.flows.keys()]) finish(session, number, gone);
      }
      served.disconnected(peer);
    },
  };
}

export function notThere(streams: StreamsRequest): FlowEnd {
  return failedFlow(streams.kind === 'portforward' ? 'pod not found'
    : `container not found (${JSON.stringify(streams.container)})`, true);
}

/** As a kubelet answers, in plain text, where a connection was not switched over. */
function refusedResponse(end: FlowEnd): ApiResponse {
  if (end.type === 'failed' && end.missing) {
    const headers = { 'content-type': 'text/plain; charset=utf-8' };
    return { status: 500, headers, body: `${end.message}\n` };
  }
  return failure(500, 'InternalError', end.type === 'failed' ? end.message : 'the stream ended at once');
}
