// A peer's API without the peer: requests are handled against a real state, commands are applied to it at
// once, watches stay open and collect what they are sent. For transcripts and for hostile requests.

import { newThinking } from '../../actors/peer/callouts.ts';
import type { Thinking } from '../../actors/peer/callouts.ts';
import { isWanted } from '../../cluster/api/callout/call.ts';
import type { Callout } from '../../cluster/api/callout/call.ts';
import type { Problem } from '../../cluster/api/status.ts';
import { freshness, handle } from '../../cluster/api/handle.ts';
import { wholeBody } from '../../cluster/api/request.ts';
import type {
  ApiContext, ApiRequest, ApiResponse, ApiResult, LogsRequest, StreamsRequest, UserInfo, WatchRequest,
} from '../../cluster/api/request.ts';
import { index, objectKey, peerId, requestId, resourceName, revision } from '../../cluster/ids.ts';
import type { OutboundResult } from '../../cluster/ports.ts';
import { applyEntry } from '../../cluster/state/apply.ts';
import { get } from '../../cluster/state/query.ts';
import { decodeState, encodeState } from '../../cluster/state/snapshot.ts';
import { createState } from '../../cluster/state/state.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Applied, Op } from '../../cluster/state/types.ts';
import { changesSince } from '../../cluster/state/watch.ts';
import type { UsageFound } from '../../cluster/usage.ts';
import { encodeCommand } from '../../cluster/wire.ts';

export const startWallMs = Date.parse('2026-11-24T08:00:00Z');

export interface Given {
  readonly method: string;
  readonly path: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | null;
  /** The administrator, unless somebody else is named. */
  readonly user?: UserInfo;
}

export type Answer =
  | { readonly type: 'response'; readonly response: ApiResponse; readonly changed: number;
      readonly audit?: ReadonlyMap<string, string> }
  | { readonly type: 'watch'; readonly watch: WatchRequest }
  | { readonly type: 'logs'; readonly logs: LogsRequest }
  | { readonly type: 'streams'; readonly streams: StreamsRequest };

export interface ApiWorld {
  state(): State;
  context(): ApiContext;
  nowWallMs: number;
  /** The reason why this peer is not ready; empty: it is. */
  notReady: string;
  /** What the peers of the nodes say that they use. */
  usage: UsageFound;
  ask(given: Given): Answer;
  /** What another client writes; before the next command of `ask` is applied, if `beforeNext`. */
  write(ops: readonly Op[]): Applied;
  /** Who answers calls to webhooks and other servers; nobody, unless a test says so. */
  outbound: (call: Callout) => OutboundResult;
  beforeNext: (() => void) | null;
  /** The state goes on from a snapshot: what changed before is forgotten. */
  restore(): void;
}

/** As the peer does it: a request whose command lost a race is evaluated again. */
const attemptsMax = 4;
const roundsMax = 64;

export function createApiWorld(): ApiWorld {
  let state = createState({ serviceCidr: '10.96.0.0/24' });
  let sequence = 0, uids = 0, suffixes = 0, requests = 0;

  function write(ops: readonly Op[]): Applied {
    const id = { origin: peerId('peer-1'), incarnation: 1, sequence: (sequence += 1) };
    const data = encodeCommand({ id, ops });
    return applyEntry(state, { index: index(state.revision + 1), term: state.term, kind: 'command', data });
  }

  function context(): ApiContext {
    return {
      nowWallMs: world.nowWallMs, beatOf: (peer) => (peer === 'peer-1' ? world.nowWallMs - 1_500 : null),
      uid: () => `uid-${(uids += 1)}`,
      suffix: () => `bcd${String((suffixes += 1)).padStart(2, '4')}`,
      peer: { ready: world.notReady === '', notReadyReason: world.notReady, serverAddress: '127.0.0.1:6443' },
    };
  }

  function ask(given: Given): Answer {
    const request: ApiRequest = {
      id: requestId(`request-${(requests += 1)}`), method: given.method, path: given.path,
      query: given.query ?? '', headers: given.headers ?? {}, body: given.body ?? null,
      user: given.user ?? { name: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] },
    };
    freshness(request, state);
    const thinking = newThinking(request.id, context);
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const result = thought(request, thinking);
      if (result.type === 'response') {
        const { rest: _, ...response } = { ...result.response, body: wholeBody(result.response) };
        return { type: 'response', response, changed: 0 };
      }
      if (result.type === 'usage') {
        const asked = new Set<string>(result.wanted.nodes);
        const found = new Map([...world.usage].filter(([node]) => asked.has(node)));
        return { type: 'response', response: result.render(found), changed: 0 };
      }
      if (result.type !== 'command') return result;
      world.beforeNext?.();
      world.beforeNext = null;
      const { outcome, changes } = write(result.ops);
      const response = result.pending.render(outcome);
      if (response !== 'retry') {
        const { audit = new Map() } = result;
        return { type: 'response', response, changed: changes.length, audit };
      }
      thinking.renew();
    }
    throw new Error(`${given.method} ${given.path} lost ${attemptsMax} races`);
  }

  /** As often as the API wants to hear somebody else first. */
  function thought(request: ApiRequest, thinking: Thinking): Exclude<ApiResult, { type: 'calls' }> {
    for (let round = 0; round < roundsMax; round++) {
      const result = handle(request, state, thinking.context());
      if (result.type !== 'calls') return result;
      for (const call of result.calls) {
        thinking.answers.set(call.key, { uid: call.uid, result: world.outbound(call) });
      }
    }
    throw new Error(`${request.method} ${request.path} calls others without end`);
  }

  const world: ApiWorld = {
    outbound: ({ addresses: [address = { host: '', port: 0 }] }) =>
      ({ ok: false, failure: { reason: 'refused', address, detail: '' } }),
    context, state: () => state,
    nowWallMs: startWallMs, notReady: '', usage: new Map(), beforeNext: null, ask, write,
    restore() {
      const back = decodeState(encodeState(state));
      if ('refusal' in back) throw new Error(back.refusal);
      state = back;
    },
  };
  return world;
}

/** The lines of a watch, once all is answered that they depend on. */
function told(world: ApiWorld, later: (context: ApiContext) => string | Problem): string {
  const thinking = newThinking(requestId('watch'), () => world.context());
  for (let round = 0; round < roundsMax; round++) {
    const lines = later(thinking.context());
    if (typeof lines === 'string') return lines;
    if (!isWanted(lines)) return `${JSON.stringify({ type: 'ERROR', object: lines.problem })}\n`;
    for (const call of lines.calls) {
      thinking.answers.set(call.key, { uid: call.uid, result: world.outbound(call) });
    }
  }
  throw new Error('a watch calls others without end');
}

/** Somebody else labels the object meanwhile. `key`: `core/configmaps/default/a`. */
export function disturb(world: ApiWorld, key: string): void {
  const [group = '', plural = '', namespace = '', name = ''] = key.split('/');
  const at = objectKey(resourceName(`${group}/${plural}`), namespace, name), object = get(world.state(), at);
  if (object === null) throw new Error(`no ${key}`);
  const labels = { ...object.metadata.labels, disturbed: String(world.state().revision) };
  world.write([{ op: 'update', key: at, object: { ...object, metadata: { ...object.metadata, labels } } }]);
}

/** A watch that stays open, and what it has been sent so far. */
export interface OpenWatch { readonly watch: WatchRequest; seen: number }

/** The lines for what changed since this was asked last. */
export function sent(world: ApiWorld, open: OpenWatch): string {
  const changes = changesSince(world.state(), revision(open.seen), open.watch.prefix);
  open.seen = world.state().revision;
  if (changes === 'expired') return 'expired\n';
  const { encode, later } = open.watch;
  return changes.map((change) => later === undefined ? encode(change, world.nowWallMs)
    : told(world, (context) => later(change, context))).join('');
}
