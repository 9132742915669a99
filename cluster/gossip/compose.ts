// What rides on a message: first what concerns its recipient (Lifeguard's buddy system: a suspect is told so
// by whoever pings it, that it may refute at once), then the least told news.

import type { PeerId } from '../ids.ts';
import { limits } from '../limits.ts';
import { takeBeats, takeRumours } from './rumours.ts';
import type { Beat, Rumour } from './types.ts';
import { clusterSize } from './view.ts';
import type { Membership } from './view.ts';

export function compose(m: Membership, to: PeerId): { readonly rumours: Rumour[]; readonly beats: Beat[] } {
  const size = clusterSize(m);
  const first = ofRecipient(m, to);
  const more = takeRumours(m.rumours, limits.rumoursPerMessage - first.length, size)
    .filter((rumour) => first.length === 0 || rumour.peer !== to);
  const beats: Beat[] = [];
  for (const peer of takeBeats(m.rumours, to, limits.beatsPerMessage, size)) {
    const beat = peer === m.self ? m.ownBeat : m.peers.get(peer)?.beat;
    if (beat !== null && beat !== undefined) beats.push(beat);
  }
  return { rumours: [...first, ...more], beats };
}

function ofRecipient(m: Membership, to: PeerId): Rumour[] {
  const view = m.peers.get(to);
  if (view === undefined || view.status === 'alive') return [];
  const from = m.suspicions.get(to)?.from[0] ?? m.self;
  return [{ peer: to, status: view.status, incarnation: view.incarnation, from }];
}
