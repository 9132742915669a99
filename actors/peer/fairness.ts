// No client starves the others: requests take seats while they are under way, and where there are not enough
// seats, each goes to the priority level that holds the fewest for its shares, and in it to the flow that
// holds the fewest. FlowSchemas say what is a flow: as a rule one user.
//
// Reads and writes have seats of their own, for writes may wait long where no quorum is. A list takes more
// seats than what touches one object. However many seats are free, only some are given out before other
// clients have been listened to again (a turn): what is answered at once would otherwise never wait. What
// can't be seated waits, so many per user and so long; beyond it the answer is 429.
// What always holds: a request starts once or is refused once; `system:masters`, the pages of health and what
// FlowSchemas exempt never wait; of two flows of a level the one with less under way is served first.
// Source: Kubernetes, "API Priority and Fairness"; seats and bounds after its defaults. Max-min fairness in
// place of its shuffle-sharded queues, for one peer knows all flows; free seats are anybody's, so nothing
// need be lent, and the numbers of queues mean nothing.

import { attributesOf, isOfResource } from '../../cluster/api/access/attributes.ts';
import type { Attributes } from '../../cluster/api/access/attributes.ts';
import { mastersGroup } from '../../cluster/api/access/authorize.ts';
import { flowOf } from '../../cluster/api/access/flows.ts';
import type { Flow as Classified, FlowSchema } from '../../cluster/api/access/flows.ts';
import { parseQuery } from '../../cluster/api/query.ts';
import type { Query } from '../../cluster/api/query.ts';
import type { ApiRequest } from '../../cluster/api/request.ts';
import { isProblem } from '../../cluster/api/status.ts';
import { resourceName } from '../../cluster/ids.ts';
import type { RequestId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { list } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Core } from './core.ts';

export interface Fairness {
  /** Starts the request at once, later, or never: then it calls `refuse`. `placed`: as of `place`. */
  enter(request: ApiRequest, placed: Placed, start: () => void, refuse: () => void): void;
  /** It is answered, its stream has begun, or its client went away. Of no meaning for one that is not in. */
  leave(id: RequestId): void;
  /** Requests that wait for a seat. */
  waiting(): number;
}

/** What a request is about, and to which flow it belongs. */
export interface Placed { readonly attributes: Attributes; readonly flow: Classified }

export function place(request: ApiRequest, state: State): Placed {
  const attributes = attributesOf(request, queryOf(request));
  return { attributes, flow: flowOf(attributes, request.user, state) };
}

const headers = new WeakMap<FlowSchema, Readonly<Record<string, string>>>();
const noHeaders: Readonly<Record<string, string>> = {};

/** By which a client may find out how it was placed. */
export function headersOf({ flow: { schema, level } }: Placed): Readonly<Record<string, string>> {
  if (schema === null || level === null) return noHeaders;
  const known = headers.get(schema), levelUid = level.metadata.uid;
  if (known !== undefined && known['x-kubernetes-pf-prioritylevel-uid'] === levelUid) return known;
  const made = {
    'x-kubernetes-pf-flowschema-uid': schema.metadata.uid, 'x-kubernetes-pf-prioritylevel-uid': levelUid,
  };
  headers.set(schema, made);
  return made;
}

interface Level {
  readonly name: string;
  shares: number;
  seats: number;
  /** Flows of it that are remembered. */
  flows: number;
}

interface Flow {
  readonly key: string;
  readonly level: Level;
  /** In the order in which they came. */
  waiting: Waiting[];
  seats: number;
  /** When a request of it was last seated, counted in seatings: whoever waited longest goes first. */
  servedAt: number;
}

interface Waiting {
  readonly id: RequestId;
  readonly pool: Pool;
  readonly flow: Flow;
  readonly seats: number;
  readonly deadlineMs: number;
  readonly start: () => void;
  readonly refuse: () => void;
}

interface Pool {
  readonly name: string;
  readonly seatsMax: number;
  readonly flows: Map<string, Flow>;
  readonly levels: Map<string, Level>;
  seats: number;
  waiting: number;
  /** Seats given out in this turn. */
  turn: number;
  servings: number;
}

function createPool(name: string, seatsMax: number): Pool {
  return { name, seatsMax, flows: new Map(), levels: new Map(), seats: 0, waiting: 0, turn: 0, servings: 0 };
}

export function createFairness(core: Core): Fairness {
  const reads = createPool('reads', limits.readSeatsMax), writes = createPool('writes', limits.writeSeatsMax);
  /** Those that are in, but for the exempt. */
  const seated = new Map<RequestId, Waiting>(), queued = new Map<RequestId, Waiting>();

  function enter(request: ApiRequest, placed: Placed, start: () => void, refuse: () => void): void {
    const { attributes } = placed, { spec } = placed.flow.level ?? {};
    if (request.user.groups.includes(mastersGroup) || isHealth(attributes)) return start();
    if (spec?.type === 'Exempt') return start();
    const pool = request.method === 'GET' || request.method === 'HEAD' ? reads : writes;
    const seats = Math.min(seatsOf(attributes, core.state), limits.turnSeatsMax);
    const flow = flowIn(pool, placed.flow);
    const deadlineMs = core.now() + limits.seatWaitMsMax;
    const one: Waiting = { id: request.id, pool, flow, seats, deadlineMs, start, refuse };
    if (pool.waiting === 0 && hasSeats(pool, seats)) return seat(one);
    const full = spec?.limited?.limitResponse?.type === 'Reject'
      || flow.waiting.length >= limits.waitingPerUserMax
      || (pool.waiting >= limits.waitingMax && flow.waiting.length > 0);
    if (full) {
      forget(flow, pool);
      return refuse();
    }
    flow.waiting.push(one);
    queued.set(one.id, one);
    pool.waiting += 1;
    nextTurn(pool);
    if (pool.waiting === 1) expireAfter(pool, limits.seatWaitMsMax);
  }

  const hasSeats = (pool: Pool, seats: number): boolean =>
    pool.seats + seats <= pool.seatsMax && pool.turn + seats <= limits.turnSeatsMax;

  function seat(one: Waiting): void {
    const { id, pool, flow, seats, start } = one;
    seated.set(id, one);
    pool.seats += seats;
    pool.turn += seats;
    flow.seats += seats;
    flow.level.seats += seats;
    flow.servedAt = pool.servings += 1;
    // What was given out in this turn is forgotten in the next, whether anybody waits or not.
    if (pool.turn === seats) nextTurn(pool);
    start();
  }

  function nextTurn(pool: Pool): void {
    core.arm(`fairness/${pool.name}/turn`, 0, () => {
      pool.turn = 0;
      for (let flow = neediest(pool); flow !== null; flow = neediest(pool)) {
        const [next] = flow.waiting;
        if (next === undefined || !hasSeats(pool, next.seats)) break;
        unqueue(next);
        seat(next);
      }
    });
  }

  function unqueue(one: Waiting): void {
    const { id, pool, flow } = one, first = flow.waiting[0] === one;
    queued.delete(id);
    pool.waiting -= 1;
    flow.waiting = first ? flow.waiting.slice(1) : flow.waiting.filter((each) => each !== one);
  }

  function leave(id: RequestId): void {
    const held = seated.get(id), waiting = queued.get(id);
    if (held !== undefined) {
      const { pool, flow, seats } = held;
      seated.delete(id);
      pool.seats -= seats;
      flow.seats -= seats;
      flow.level.seats -= seats;
      forget(flow, pool);
      if (pool.waiting > 0) nextTurn(pool);
    } else if (waiting !== undefined) {
      unqueue(waiting);
      forget(waiting.flow, waiting.pool);
    }
  }

  function expireAfter(pool: Pool, ms: number): void {
    core.arm(`fairness/${pool.name}/expire`, ms, () => {
      const now = core.now(), late = [...queued.values()].filter((one) =>
        one.pool === pool && one.deadlineMs <= now);
      for (const one of late) {
        unqueue(one);
        forget(one.flow, pool);
        one.refuse();
      }
      // In the order in which they came, so the first is the next.
      const next = [...queued.values()].find((one) => one.pool === pool);
      if (next !== undefined) expireAfter(pool, Math.max(1, next.deadlineMs - now));
    });
  }

  return { enter, leave, waiting: () => queued.size };
}

/** Kubernetes' `catch-all` has as many. */
const sharesOfOthers = 5;

function flowIn(pool: Pool, { schema, level, distinguisher }: Classified): Flow {
  const name = level?.metadata.name ?? 'catch-all';
  const key = `${name}/${schema?.metadata.name ?? ''}/${distinguisher}`;
  // No less than one, or what has no share would wait for ever.
  const shares = Math.max(1, level?.spec.limited?.nominalConcurrencyShares ?? sharesOfOthers);
  const known = pool.flows.get(key);
  if (known !== undefined) {
    known.level.shares = shares;
    return known;
  }
  let of = pool.levels.get(name);
  if (of === undefined) pool.levels.set(name, of = { name, shares, seats: 0, flows: 0 });
  of.flows += 1;
  const flow = { key, level: of, waiting: [], seats: 0, servedAt: pool.servings };
  pool.flows.set(key, flow);
  return flow;
}

/** What asks for nothing is not remembered. */
function forget(flow: Flow, pool: Pool): void {
  if (flow.seats > 0 || flow.waiting.length > 0) return;
  pool.flows.delete(flow.key);
  flow.level.flows -= 1;
  if (flow.level.flows === 0) pool.levels.delete(flow.level.name);
}

/**
 * Of the flows that wait: of the level with the fewest seats for its shares the one with the fewest seats; of
 * equals the one that was served longest ago.
 */
function neediest(pool: Pool): Flow | null {
  let found: Flow | null = null;
  if (pool.waiting === 0) return null;
  for (const flow of pool.flows.values()) {
    if (flow.waiting.length === 0) continue;
    if (found === null || needier(flow, found)) found = flow;
  }
  return found;
}

function needier(a: Flow, b: Flow): boolean {
  const byLevel = a.level.seats * b.level.shares - b.level.seats * a.level.shares;
  if (byLevel !== 0) return byLevel < 0;
  return a.seats === b.seats ? a.servedAt < b.servedAt : a.seats < b.seats;
}

const isHealth = (attributes: Attributes): boolean =>
  !isOfResource(attributes) && /^\/(healthz|livez|readyz)(\/|$)/.test(attributes.path);

/** One for what touches an object; for a list one for every so many objects. */
function seatsOf(attributes: Attributes, state: State): number {
  if (!isOfResource(attributes)) return 1;
  const { verb, group, resource, namespace, name } = attributes;
  if ((verb !== 'list' && verb !== 'deletecollection') || name !== '') return 1;
  const objects = list(state, resourceName(`${group === '' ? 'core' : group}/${resource}`), namespace).length;
  return Math.max(1, Math.min(limits.seatsPerRequestMax, Math.ceil(objects / limits.objectsPerSeat)));
}

const noQuery: Query = new Map();

function queryOf({ query }: ApiRequest): Query {
  const found = parseQuery(query);
  return isProblem(found) ? noQuery : found;
}
