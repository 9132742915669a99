// How long a suspect has to refute before it counts as dead. Source: Lifeguard (Dadgar, Phillips, Currey
// 2018), section IV-B: the time shrinks from a maximum to a minimum as independent members confirm.
//
// With n members: min = suspicionMultiplier × log10(n + 1) probe intervals, max = suspicionMaxMultiplier ×
// min, and after c of k confirmations max − (max − min) × log(c + 1) / log(k + 1). For 3 members: 1.5 to 3.8
// s; for 5: 1.9 to 4.9 s. A killed peer is first probed within 2 (4) s by each of 2 (4) others, the earliest
// of them after 0.7 (0.8) s on average, suspected one interval later, and confirmed within two more intervals
// at most, since a member that hears of a suspicion probes the suspect next. Measured from kill to death in
// all views, median and 99 %: 3 members 3.1 and 4.2 s, 5 members 3.8 and 5.9 s, 20: 5.6 and 8.4, 100: 7.7
// and 9.5 (the time grows with log n, as rumours need to travel).

import type { PeerId } from '../ids.ts';
import { limits } from '../limits.ts';
import type { Rumour } from './types.ts';

export interface Suspicion {
  readonly incarnation: number;
  /** Moved forward when this peer itself was asleep past the deadline. */
  startMs: number;
  /** Who suspects, in the order heard; the first is not a confirmation. */
  readonly from: PeerId[];
}

export function suspicionOf(rumour: Rumour, now: number): Suspicion {
  return { incarnation: rumour.incarnation, startMs: now, from: [rumour.from] };
}

/** Counts one more suspecting member; false if it was counted before, or enough are. */
export function confirm(suspicion: Suspicion, from: PeerId): boolean {
  if (suspicion.from.length > limits.suspicionConfirmations || suspicion.from.includes(from)) return false;
  suspicion.from.push(from);
  return true;
}

/** When the suspect counts as dead, in a cluster of `size` members. */
export function deadlineOf(suspicion: Suspicion, size: number): number {
  const min = limits.suspicionMultiplier * Math.log10(size + 1) * limits.probeIntervalMs;
  const max = limits.suspicionMaxMultiplier * min;
  // Of two members nobody can confirm: the suspect gets the longest time.
  const needed = Math.max(1, Math.min(limits.suspicionConfirmations, size - 2));
  const confirmations = Math.min(needed, suspicion.from.length - 1);
  const shrunk = max - (max - min) * (Math.log(confirmations + 1) / Math.log(needed + 1));
  return suspicion.startMs + Math.ceil(shrunk);
}
