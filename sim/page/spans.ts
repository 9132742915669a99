// What a recording keeps of the whole run, however long it is: who led and who stood for election when, which
// processes lived, how many messages each peer sent.
// What always holds: of one peer's spans of a kind, none overlap; candidatures beyond `rolesMax` spans are
// left out, and counted.

import type { FaultPlan } from '../faults.ts';
import type { LifeSpan, Recording, RoleSpan } from './data.ts';
import { us } from './words.ts';

export interface Spans {
  role(peer: number, role: string, term: number, atMs: number): void;
  started(peer: number, atMs: number): void;
  ended(peer: number, atMs: number, how: string): void;
  sent(peer: number, atMs: number): void;
  finish(endMs: number): WholeRun;
}

export interface WholeRun extends Pick<Recording, 'lives' | 'roles' | 'sent'> {
  readonly rolesLeftOut: number;
}

/** Spans of leaders and candidates. */
const rolesMax = 10_000;
/** Steps of the count of messages over a whole run, and how short a step may be. */
const stepsMax = 600, stepMsMin = 50;

interface Role { readonly role: 'leader' | 'candidate'; readonly term: number; readonly fromMs: number }

export function createSpans(plan: FaultPlan): Spans {
  const roles: RoleSpan[] = [], lives: LifeSpan[] = [];
  const openRoles = new Map<number, Role>(), openLives = new Map<number, number>();
  const stepMs = Math.max(stepMsMin, Math.ceil(plan.minutes * 60_000 / stepsMax));
  const counts: number[][] = Array.from({ length: plan.peers }, () => []);
  let rolesLeftOut = 0;

  function closeRole(peer: number, atMs: number): void {
    const open = openRoles.get(peer);
    if (open === undefined) return;
    openRoles.delete(peer);
    const { role, term, fromMs } = open;
    if (role === 'candidate' && roles.length >= rolesMax) rolesLeftOut += 1;
    else roles.push({ peer, role, term, fromUs: us(fromMs), untilUs: us(atMs) });
  }
  function closeLife(peer: number, atMs: number, end: string | null): void {
    const fromMs = openLives.get(peer);
    if (fromMs === undefined) return;
    openLives.delete(peer);
    lives.push({ peer, fromUs: us(fromMs), untilUs: us(atMs), end });
  }
  return {
    role(peer, word, term, atMs) {
      const role = word === 'leader' ? 'leader' : word.endsWith('candidate') ? 'candidate' : null;
      const open = openRoles.get(peer);
      if (open?.role === role && open?.term === term) return;
      closeRole(peer, atMs);
      if (role !== null) openRoles.set(peer, { role, term, fromMs: atMs });
    },
    started(peer, atMs) { openLives.set(peer, atMs); },
    ended(peer, atMs, how) {
      closeRole(peer, atMs);
      closeLife(peer, atMs, how);
    },
    sent(peer, atMs) {
      const row = counts[peer] as number[], at = Math.floor(atMs / stepMs);
      while (row.length <= at) row.push(0);
      row[at] = (row[at] as number) + 1;
    },
    finish(endMs) {
      for (const peer of [...openRoles.keys()]) closeRole(peer, endMs);
      for (const peer of [...openLives.keys()]) closeLife(peer, endMs, null);
      return { roles, lives, sent: { stepUs: us(stepMs), counts }, rolesLeftOut };
    },
  };
}
