// Membership as the log holds it: the members after each config entry, newest last, so that a truncated
// config entry gives back the one before it, and a snapshot at any index held knows its members.
// What always holds: the list has at least one config, whose index is at or below what is forgotten; a config
// is in force from the moment its entry is appended.

import { assert } from '../assert.ts';
import type { Index, PeerId } from '../ids.ts';
import type { LogMember } from './types.ts';

export interface Config {
  readonly index: Index;
  readonly members: readonly LogMember[];
  /** Sorted. */
  readonly voters: readonly PeerId[];
}

export function createConfig(index: Index, members: readonly LogMember[]): Config {
  const sorted = sortMembers(members);
  return { index, members: sorted, voters: sorted.filter((each) => each.voter).map((each) => each.id) };
}

export function sortMembers(members: readonly LogMember[]): LogMember[] {
  return [...members].sort((a, b) => compareIds(a.id, b.id));
}

export const compareIds = (a: PeerId, b: PeerId): number => (a < b ? -1 : a > b ? 1 : 0);

/** The config at `index`: the last one at or below it. */
export function configAt(configs: readonly Config[], index: number): Config {
  const found = configs.findLast((each) => each.index <= index);
  assert(found !== undefined, `log: no membership is known at ${index}`);
  return found;
}

/** The config in force. */
export function lastConfig(configs: readonly Config[]): Config {
  const config = configs.at(-1);
  assert(config !== undefined, 'log: no membership');
  return config;
}

/** Drops configs that a log forgotten up to `base` has no more use for. */
export function forgetConfigs(configs: readonly Config[], base: number): Config[] {
  const keepFrom = configs.findLastIndex((each) => each.index <= base);
  return configs.slice(Math.max(0, keepFrom));
}

/** How many members' existence or voter flag differ between two memberships. */
export function changesBetween(before: readonly LogMember[], after: readonly LogMember[]): number {
  const old = new Map(before.map((each) => [each.id, each.voter]));
  let changes = 0;
  for (const { id, voter } of after) {
    if (old.get(id) !== voter) changes += 1;
    old.delete(id);
  }
  return changes + old.size;
}
