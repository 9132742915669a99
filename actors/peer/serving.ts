// A client's request on its way through the peer: made fresh, evaluated by the API as a function, proposed,
// answered once this peer's own state has applied it.
//
// What always holds: every request gets exactly one answer or one stream; a token that stands for nobody gets
// nowhere, and is looked at again whenever the state has moved on; a write without a reachable quorum
// is refused, a read without one is answered from local state and says so.

import { index, peerId } from '../../cluster/ids.ts';
import type { PeerId, RequestId } from '../../cluster/ids.ts';
import { unreachable } from '../../cluster/assert.ts';
import { limits } from '../../cluster/limits.ts';
import { freshness, handle } from '../../cluster/api/handle.ts';
import {
  apiAudiences, examine, isTokenRefusal, unauthorized,
} from '../../cluster/api/access/authenticate.ts';
import type { TokenRefusal } from '../../cluster/api/access/authenticate.ts';
import { impersonated } from '../../cluster/api/access/impersonate.ts';
import { opensStreams } from '../../cluster/api/streams.ts';
import { failure, isProblem, problemResponse } from '../../cluster/api/status.ts';
import type {
  ApiContext, ApiRequest, ApiResponse, PendingCommand, UserInfo,
} from '../../cluster/api/request.ts';
import type { ClientsEvent } from '../../cluster/ports.ts';
import type { Op, Outcome } from '../../cluster/state/types.ts';
import type { SubmitOutcome } from '../services.ts';
import { createAuditing } from './auditing.ts';
import { newThinking } from './callouts.ts';
import type { Callouts, Thinking } from './callouts.ts';
import type { Commands } from './commands.ts';
import { uuid } from './core.ts';
import type { Core } from './core.ts';
import { createFairness, headersOf, place } from './fairness.ts';
import type { Flows } from './flows.ts';
import type { LogStreams } from './streams.ts';
import type { ReadResult, Reads } from './reads.ts';
import type { Usages } from './usage.ts';
import type { Watches } from './watches.ts';

export interface Serving {
  event(event: ClientsEvent): void;
  /** A stream was ended by this peer: nothing more comes of its request. */
  ended(id: RequestId): void;
  /** What is known and drawn for something that this request still has to be told. */
  think(id: RequestId): Thinking;
}

export interface ServingParts {
  readonly callouts: Callouts;
  readonly commands: Commands;
  readonly reads: Reads;
  readonly watches: Watches;
  readonly streams: LogStreams;
  readonly flows: Flows;
  readonly usages: Usages;
  /** Answers `/shoal/v1/…`, what Kubernetes has no path for; null: not such a path. */
  readonly own: (request: ApiRequest, respond: (response: ApiResponse) => void) => boolean;
  readonly readiness: () => { readonly ready: boolean; readonly reason: string };
  /** When a member's last beat was heard of, on the monotonic clock. */
  readonly beatAtMs: (peer: PeerId) => number | null;
  /** For the Warning of a stale answer and the 503 of a refused write. */
  readonly isolation: () => { readonly sinceMs: number | null; readonly unreachable: readonly string[] };
}

export function createServing(core: Core, parts: ServingParts): Serving {
  /** By request, the headers that say how it was placed. */
  const live = new Map<RequestId, Readonly<Record<string, string>>>();
  /** Those whose answer is still being made, slice by slice: they keep their seats. */
  const answering = new Set<RequestId>();
  const auditing = createAuditing(core), fairness = createFairness(core);

  function request(incoming: ApiRequest): void {
    if (live.size >= limits.requestsInFlightMax + parts.watches.count()) {
      core.ports.clients.respond(incoming.id, failure(429, 'TooManyRequests',
        'this peer serves as many requests as it can; please try again later'));
      return;
    }
    live.set(incoming.id, {});
    atDoor(incoming);
  }

  /** Lets in whom a token stands for. What it names may be newer than this peer's state. */
  function atDoor(incoming: ApiRequest): void {
    const first = identified(incoming);
    if (!isTokenRefusal(first)) return enter(first);
    if (!first.unsure) return turnAway(incoming);
    parts.reads.read((result) => {
      if (!live.has(incoming.id)) return;
      const second = identified(incoming);
      if (!isTokenRefusal(second)) return enter(second);
      if (result === 'fresh') turnAway(incoming);
      else respond(incoming.id, unavailableResponse('no leader confirmed whom this token stands for'));
    });
  }

  function turnAway(incoming: ApiRequest): void {
    auditing.received({ ...incoming, user: nobody });
    respond(incoming.id, unauthorizedResponse());
  }

  /** The request as that of whom its token stands for by now; without a token, as it is. */
  function identified(incoming: ApiRequest): ApiRequest | TokenRefusal {
    if (incoming.token === undefined) return incoming;
    const found = examine(incoming.token, core.state, core.ports.clock.wallMs(), apiAudiences);
    return isTokenRefusal(found) ? found : { ...incoming, user: found.user };
  }

  /** Its sender is known: it is seated, sooner or later. */
  function enter(incoming: ApiRequest): void {
    const found = auditing.received(incoming), placed = place(incoming, core.state);
    live.set(incoming.id, { ...headersOf(placed), ...found });
    fairness.enter(incoming, placed, () => begin(incoming), () => respond(incoming.id, tooMany()));
  }

  function begin(incoming: ApiRequest): void {
    if (!live.has(incoming.id)) return;
    if (incoming.path.startsWith('/shoal/')) return ours(incoming);
    const need = freshness(incoming, core.state);
    switch (need.type) {
      case 'local': return evaluate(incoming, 'fresh');
      case 'linearizable': return parts.reads.read((result) => evaluate(incoming, result));
      case 'at-least': return parts.reads.waitFor(index(need.revision), (result) => {
        if (result === 'fresh') evaluate(incoming, parts.reads.alone() ? 'stale' : 'fresh');
        else respond(incoming.id, tooLarge(need.revision, core.state.revision));
      });
      default: return unreachable(need);
    }
  }

  /** What Kubernetes has no path for: whoever acts as somebody else does so here, too. */
  function ours(incoming: ApiRequest): void {
    const acting = impersonated(incoming, core.state);
    if (isProblem(acting)) return respond(incoming.id, problemResponse(acting));
    const asked = acting === null ? incoming : { ...incoming, user: acting };
    if (!parts.own(asked, (response) => respond(incoming.id, response))) evaluate(incoming, 'fresh');
  }

  function evaluate(incoming: ApiRequest, read: ReadResult, thinking = think(incoming.id)): void {
    if (!live.has(incoming.id)) return;
    // A write is judged by the newest state or not at all.
    const writes = incoming.method !== 'GET' && incoming.method !== 'HEAD' && !opensStreams(incoming);
    if (read === 'stale' && writes) {
      return respond(incoming.id, unavailableResponse('no leader confirmed what this write depends on'));
    }
    if (read === 'stale' && core.state.revision === 0) {
      return respond(incoming.id,
        unavailableResponse('this peer has not learned the state of the cluster yet'));
    }
    const asked = identified(incoming);
    if (isTokenRefusal(asked)) return respond(incoming.id, unauthorizedResponse());
    if (thinking.races === 0 && thinking.rounds === 0) auditing.judged(asked);
    const result = handle(asked, core.state, thinking.context());
    auditing.noted(incoming.id, result.audit);
    switch (result.type) {
      case 'response': return respond(incoming.id,
        read === 'stale' ? withWarning(result.response) : result.response);
      case 'command': return propose(incoming, result.ops, result.pending, thinking);
      case 'calls':
        return parts.callouts.ask(thinking, result.calls, (done) => {
          if (done === 'answered') evaluate(incoming, read, thinking);
          else respond(incoming.id, failure(504, 'Timeout', tooSlow));
        });
      case 'watch':
        streams(incoming.id);
        if (!parts.watches.open(incoming.id, result.watch, live.get(incoming.id))) {
          respond(incoming.id, failure(429, 'TooManyRequests', 'too many watches on this peer; try another'));
        }
        return;
      case 'logs':
        streams(incoming.id);
        return parts.streams.open(incoming.id, result.logs, (response) => respond(incoming.id, response));
      case 'streams':
        streams(incoming.id);
        return parts.flows.open(incoming.id, asked.user.name, result.streams,
          (response) => respond(incoming.id, response));
      case 'usage':
        return parts.usages.find(result.wanted, (found) => respond(incoming.id, result.render(found)));
      default: return unreachable(result);
    }
  }

  const think = (id: RequestId): Thinking => newThinking(id, context);

  function propose(incoming: ApiRequest, ops: readonly Op[], pending: PendingCommand, one: Thinking): void {
    parts.commands.submit(ops, null, (outcome) => {
      if (!live.has(incoming.id)) return;
      if (isUnavailable(outcome)) {
        const { message, uncertain, overloaded } = outcome.refusal;
        respond(incoming.id, overloaded === true ? failure(429, 'TooManyRequests', message)
          : uncertain === true ? failure(504, 'Timeout', message) : unavailableResponse(message));
        return;
      }
      const rendered = pending.render(outcome);
      if (rendered !== 'retry') respond(incoming.id, rendered);
      else if (one.races < limits.conflictRetriesMax) {
        one.renew();
        evaluate(incoming, 'fresh', one);
      } else respond(incoming.id, failure(409, 'Conflict', 'the object kept changing; please try again'));
    });
  }

  function unavailableResponse(message: string): ApiResponse {
    const { unreachable: voters } = parts.isolation();
    const who = voters.length === 0 ? '' : `; voters out of reach: ${voters.join(', ')}`;
    return failure(503, 'ServiceUnavailable', `${message}${message.includes('voters') ? '' : who}`);
  }

  function withWarning(response: ApiResponse): ApiResponse {
    const { sinceMs, unreachable: voters } = parts.isolation();
    const text = `this peer has no quorum (voters out of reach: ${voters.join(', ') || 'none known'}); `
      + (sinceMs === null ? `the answer is older than this peer's start, ${seconds(core.now())} ago`
        : `the answer is ${seconds(sinceMs)} old`);
    const { warning } = response.headers;
    const stale = `299 - "${text}"`;
    return {
      ...response,
      headers: { ...response.headers, warning: warning === undefined ? stale : `${stale}, ${warning}` },
    };
  }

  /** What may go on for long takes no seat any more. */
  function streams(id: RequestId): void {
    fairness.leave(id);
    auditing.started(id);
  }

  function respond(id: RequestId, response: ApiResponse): void {
    const placed = live.get(id);
    if (placed === undefined || answering.has(id)) return;
    if (response.rest === undefined) {
      live.delete(id);
      fairness.leave(id);
    } else if (answering.size >= limits.slicedAnswersMax) return respond(id, tooMany());
    else answering.add(id);
    auditing.completed(id, response);
    core.ports.clients.respond(id, { ...response, headers: { ...response.headers, ...placed } });
  }

  function gone(id: RequestId): void {
    answering.delete(id);
    live.delete(id);
    fairness.leave(id);
    auditing.completed(id, null);
  }

  function beatOf(peer: string): number | null {
    const atMs = parts.beatAtMs(peerId(peer));
    return atMs === null ? null : core.ports.clock.wallMs() - (core.now() - atMs);
  }

  function context(): ApiContext {
    const { ready, reason } = parts.readiness(), { descriptions } = core.config;
    return {
      ...descriptions === undefined ? {} : { descriptions },
      nowWallMs: core.ports.clock.wallMs(), beatOf,
      uid: () => uuid(core.random),
      suffix: () => Array.from({ length: 5 },
        () => suffixAlphabet[core.random.below(suffixAlphabet.length)]).join(''),
      peer: { ready, notReadyReason: reason, serverAddress: `${core.config.hostIP}:${core.config.apiPort}` },
    };
  }

  return {
    event(event) {
      switch (event.type) {
        case 'request': return request(event.request);
        case 'request-drained': return parts.streams.drained(event.id, event.bytes);
        case 'flow-opened': case 'flow-input': case 'flow-drained': case 'flow-closed':
          return parts.flows.client(event);
        case 'request-closed':
          gone(event.id);
          parts.callouts.close(event.id);
          parts.watches.close(event.id);
          parts.streams.close(event.id);
          parts.flows.close(event.id);
          return;
        default: return unreachable(event);
      }
    },
    ended: gone, think,
  };
}

const tooMany = (): ApiResponse =>
  failure(429, 'TooManyRequests', 'too many requests, please try again later');

/** Whoever came with a token that stands for nobody. */
const nobody: UserInfo = { name: '', groups: [] };

const unauthorizedResponse = (): ApiResponse => problemResponse(unauthorized());

const tooSlow = 'Timeout: request did not complete within requested timeout - context deadline exceeded';

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;

/** Kubernetes' alphabet for generated names: no vowels, no look-alikes. */
const suffixAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

function isUnavailable(outcome: SubmitOutcome): outcome is Exclude<SubmitOutcome, Outcome> {
  return !outcome.ok && outcome.refusal.reason === 'Unavailable';
}

function tooLarge(wanted: number, current: number): ApiResponse {
  return failure(504, 'Timeout', `Too large resource version: ${wanted}, current: ${current}`);
}
