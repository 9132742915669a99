// Ways in which a plan can be simpler: a peer less, calmer links, no bounds of the log, true clocks, a
// shorter run, faults that strike fewer. What always holds: what is made is a plan that could have been
// drawn or edited: its faults name peers that are there, and are over by `healMs`.

import type { Fault, FaultPlan } from './faults.ts';
import { trueClock } from './ports/clock.ts';

/** With fewer peers nothing can be lost for good, and none can be spared. */
const peersMinToLose = 3;
const losses: ReadonlySet<string> = new Set(['leave', 'replace', 'wipe', 'rot', 'misdirect']);
/** After the last thing that matters, so much of chaos is left. */
const marginMs = 1_000;
/** The fields of a fault that list whom it strikes: any fewer are a fault too. */
const listFields = ['peers', 'links', 'a', 'b'] as const;
/** Those that say in which order: they can't be cut by themselves. */
const orderFields = ['order', 'clogs', 'opens'] as const;
const namingFields: readonly string[] = [...listFields, ...orderFields];

/** The plan without one peer: those after it move up, faults that struck it alone go. Null: it is needed. */
export function withoutPeer(plan: FaultPlan, gone: number): FaultPlan | null {
  const { peers, clocks, core } = plan;
  if (peers <= 1 || core?.join() === String(gone)) return null;
  const faults = plan.faults.flatMap((fault) => {
    const left = spare(fault, gone);
    return left === null ? [] : [left];
  });
  if (peers - 1 < peersMinToLose && (core !== undefined || faults.some(({ kind }) => losses.has(kind)))) {
    return null;
  }
  return {
    ...plan, peers: peers - 1, clocks: clocks.filter((_, at) => at + 1 !== gone), faults,
    ...core === undefined ? {} : { core: without(core, gone) as readonly number[] },
  };
}

/** The fault where that peer is not; null if it strikes nobody then. */
function spare(fault: Fault, gone: number): Fault | null {
  const fields: Record<string, unknown> = { ...fault };
  for (const [name, value] of Object.entries(fields)) {
    if (name === 'peer') {
      if (value === gone) return null;
      fields[name] = renumbered(value as number, gone);
    } else if (namingFields.includes(name)) {
      const left = without(value as readonly (number | readonly number[])[], gone);
      if (left.length === 0) return null;
      fields[name] = left;
    }
  }
  return fields as unknown as Fault;
}

const renumbered = (peer: number, gone: number): number => (peer > gone ? peer - 1 : peer);

/** Peers, or links between peers, without those that name it. */
function without(named: readonly (number | readonly number[])[], gone: number): (number | number[])[] {
  return named.filter((each) => (typeof each === 'number' ? each !== gone : !each.includes(gone)))
    .map((each) => (typeof each === 'number' ? renumbered(each, gone)
      : each.map((one) => renumbered(one, gone))));
}

/** Plans with one choice made the plain way, the boldest first. */
export function plainer(plan: FaultPlan, failedAtMs: number): FaultPlan[] {
  const { clocks, logBounds, links, disks } = plan;
  const calmLinks = {
    ...links, delay: 'uniform', delayMsMin: 1, delayMsMax: 1, lossPpm: 0, duplicatePpm: 0, reorderPpm: 0,
    reorderMsMax: 0,
  } as const;
  const bounds = Object.keys(logBounds) as (keyof typeof logBounds)[];
  const { core: _core, ...healed } = plan;
  const candidates: FaultPlan[] = [
    healed,
    { ...plan, clocks: clocks.map(() => trueClock) },
    ...clocks.map((_, at) => ({ ...plan, clocks: clocks.map((clock, n) => (n === at ? trueClock : clock)) })),
    { ...plan, links: calmLinks },
    { ...plan, disks: { ...disks, syncMsMin: 1, syncMsMax: 1 } },
    { ...plan, logBounds: {} },
    ...bounds.map((name) => {
      const { [name]: _, ...rest } = logBounds;
      return { ...plan, logBounds: rest };
    }),
    ...shorter(plan, failedAtMs),
  ];
  const before = JSON.stringify(plan);
  return candidates.filter((candidate) => JSON.stringify(candidate) !== before);
}

/** Faults that end when it has failed, all or one; healed right after the last, or after what broke. */
function shorter(plan: FaultPlan, failedAtMs: number): FaultPlan[] {
  const { faults } = plan;
  const cut = (fault: Fault): Fault => {
    const { atMs, forMs } = fault, neededMs = Math.ceil(failedAtMs) - atMs;
    return neededMs > 0 && neededMs < forMs ? { ...fault, forMs: neededMs } : fault;
  };
  return [
    { ...plan, faults: faults.map(cut) },
    ...faults.map((_, at) => ({ ...plan, faults: faults.map((each, n) => (n === at ? cut(each) : each)) })),
    ...healedSooner(plan, failedAtMs),
  ];
}

function healedSooner(plan: FaultPlan, failedAtMs: number): FaultPlan[] {
  const { healMs, faults } = plan;
  const overMs = Math.max(0, ...faults.map(({ atMs, forMs }) => atMs + forMs));
  const wantedMs = Math.ceil(Math.max(overMs, failedAtMs < healMs ? failedAtMs : 0) + marginMs);
  if (wantedMs >= healMs) return [];
  // In tenths of a minute, the next that is more.
  const minutes = Math.min(plan.minutes, Math.ceil((wantedMs + 1) / 6_000) / 10);
  return [{ ...plan, healMs: wantedMs, minutes }];
}

/** Each list of whom a fault strikes: what it holds, and the plan with less of it. */
export function lists(
  plan: FaultPlan,
): { readonly items: readonly unknown[]; with(items: readonly unknown[]): FaultPlan }[] {
  return plan.faults.flatMap((fault, at) => listFields.flatMap((name) => {
    const items: unknown = (fault as unknown as Record<string, unknown>)[name];
    if (!Array.isArray(items) || items.length < 2) return [];
    return [{
      items,
      with: (fewer: readonly unknown[]) => ({
        ...plan,
        faults: plan.faults.map((each, n) => (n === at ? { ...each, [name]: fewer } as Fault : each)),
      }),
    }];
  }));
}
