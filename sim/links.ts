// The network as all faults in force have it together: who reaches whom, reckoned, and then laid.
// What always holds: laying again changes only links whose state is another now, so that what waits on a
// clogged link goes on waiting.

import type { PeerId } from '../cluster/ids.ts';
import type { Fault, FaultOf, LinkName } from './faults.ts';
import type { Machine } from './machine.ts';
import type { LinkState, SimNetwork } from './ports/network.ts';
import type { LinkConditions } from './ports/network/conditions.ts';

export interface LinkLayer {
  /** Lays what the faults in force make of the network at this time. `sinceMs`: when each began. */
  lay(inForce: ReadonlyMap<Fault, number>, nowMs: number): void;
}

interface Laid { readonly from: PeerId; readonly to: PeerId; readonly state: Draft }
interface Draft { blocked: boolean; clogged: boolean; conditions: LinkConditions | null }

/** `machines`: by place, as they are when it is laid. */
export function createLinkLayer(network: SimNetwork, machines: readonly Machine[]): LinkLayer {
  let before = new Map<string, Laid>();
  return {
    lay(inForce, nowMs) {
      const next = new Map<string, Laid>();
      const at = ([a, b]: LinkName): Draft => {
        const from = (machines[a - 1] as Machine).id, to = (machines[b - 1] as Machine).id;
        const key = `${from} ${to}`;
        let found = next.get(key);
        if (found === undefined) {
          next.set(key, found = { from, to, state: { blocked: false, clogged: false, conditions: null } });
        }
        return found.state;
      };
      for (const [fault, sinceMs] of inForce) draft(fault, nowMs - sinceMs, machines.length, at);
      for (const [key, { from, to }] of before) if (!next.has(key)) network.lay(from, to, {});
      for (const [key, { from, to, state }] of next) {
        const old = before.get(key)?.state;
        if (old === undefined || !isSame(old, state)) network.lay(from, to, stateOf(state));
      }
      before = next;
    },
  };
}

const isSame = (a: Draft, b: Draft): boolean =>
  a.blocked === b.blocked && a.clogged === b.clogged && a.conditions === b.conditions;

const stateOf = ({ blocked, clogged, conditions }: Draft): LinkState =>
  ({ blocked, clogged, ...conditions === null ? {} : { conditions } });

function draft(fault: Fault, elapsedMs: number, peers: number, at: (link: LinkName) => Draft): void {
  switch (fault.kind) {
    case 'partition': for (const link of cutBy(fault)) at(link).blocked = true; return;
    case 'ring': for (const link of outsideRing(fault)) at(link).blocked = true; return;
    case 'links': for (const link of fault.links) at(link).conditions = fault.conditions; return;
    case 'clog': for (const link of fault.links) at(link).clogged = true; return;
    case 'flap':
      if (isDown(fault, elapsedMs)) for (const link of fault.links) at(link).blocked = true;
      return;
    case 'swizzle': {
      for (const one of cloggedBy(fault, elapsedMs)) {
        for (let other = 1; other <= peers; other += 1) {
          if (other !== one) at([one, other]).clogged = at([other, one]).clogged = true;
        }
      }
      return;
    }
    default: return;
  }
}

/** The links that no message passes. */
export function cutBy({ a, b, direction }: FaultOf<'partition'>): LinkName[] {
  return a.flatMap((one) => b.flatMap((other): LinkName[] => [
    ...direction === 'b-to-a' ? [] : [[one, other] as const],
    ...direction === 'a-to-b' ? [] : [[other, one] as const],
  ]));
}

export function outsideRing({ order, oneWay }: FaultOf<'ring'>): LinkName[] {
  return order.flatMap((from, at) => {
    const next = order[(at + 1) % order.length], before = order.at(at - 1);
    return order.filter((to) => to !== from && to !== next && (oneWay || to !== before))
      .map((to): LinkName => [from, to]);
  });
}

export const isDown = ({ everyMs, downMs }: FaultOf<'flap'>, elapsedMs: number): boolean =>
  elapsedMs % everyMs < downMs;

/** The peers that are clogged after so long. */
export function cloggedBy(fault: FaultOf<'swizzle'>, elapsedMs: number): number[] {
  const { clogs, opens, everyMs, forMs } = fault;
  const opened = opens.filter((_, n) => elapsedMs >= forMs - (opens.length - 1 - n) * everyMs);
  return clogs.filter((peer, n) => elapsedMs >= n * everyMs && !opened.includes(peer));
}

/** When, after its beginning and before its end, a fault changes what it does to the network. */
export function* changesOf(fault: Fault): Generator<number, void, void> {
  if (fault.kind === 'flap') {
    const { everyMs, downMs, forMs } = fault;
    for (let ms = 0; ms < forMs; ms += everyMs) {
      if (ms > 0) yield ms;
      if (downMs < everyMs && ms + downMs < forMs) yield ms + downMs;
    }
  } else if (fault.kind === 'swizzle') {
    const { clogs, opens, everyMs, forMs } = fault;
    for (let n = 1; n < clogs.length; n += 1) if (n * everyMs < forMs) yield n * everyMs;
    for (let n = opens.length - 1; n > 0; n -= 1) if (n * everyMs < forMs) yield forMs - n * everyMs;
  }
}
