// Oracles of what peers say of each other in gossip: the word of a peer never goes back, and nobody but a
// peer itself makes it younger than its death.
//
// Source of the order of news: SWIM (Das, Gupta, Motivala 2002), section 4.2, as `cluster/gossip/view.ts`
// has it: a higher incarnation overrides; within one, alive < suspect < dead.

import type { PeerId } from '../../cluster/ids.ts';
import type { GossipMessage, Liveness, Rumour } from '../../cluster/gossip/types.ts';
import { decodeMessage, isRefusal } from '../../cluster/wire.ts';
import type { Report } from './oracle.ts';

export interface WordsOracle {
  sent(peer: PeerId, frame: Uint8Array): void;
  /** A new run speaks. */
  opened(peer: PeerId): void;
  /** Its members changed: whoever comes in again is told of anew. */
  forget(peer: PeerId): void;
  /** Its next run knows nothing of the former ones. */
  wiped(peer: PeerId): void;
}

interface Said { readonly incarnation: number; readonly rank: number }
interface Talk {
  /** By subject: the newest word of it. */
  readonly said: Map<PeerId, Said>;
  /** By subject: the newest beat passed on. */
  readonly beats: Map<PeerId, readonly [incarnation: number, sequence: number]>;
}

const rank = { alive: 0, suspect: 1, dead: 2 } as const satisfies Record<Liveness, number>;

export function createWordsOracle(report: Report): WordsOracle {
  const talks = new Map<PeerId, Talk>();
  /** The highest incarnation that a peer itself has spoken of, in all its runs. */
  const own = new Map<PeerId, number>();
  /** Likewise of the runs on the disk that it has now, and of the former ones of these. */
  const lately = new Map<PeerId, number>(), former = new Map<PeerId, number>();
  /** Peers whose next run knows nothing of the former ones. */
  const forgetful = new Set<PeerId>();

  function talkOf(peer: PeerId): Talk {
    let found = talks.get(peer);
    if (found === undefined) talks.set(peer, found = { said: new Map(), beats: new Map() });
    return found;
  }

  function spoke(peer: PeerId, incarnation: number): void {
    const before = former.get(peer);
    if (before !== undefined && incarnation <= before) {
      report('incarnation-grows',
        `${peer} calls itself incarnation ${incarnation}, in an earlier run it was ${before}`);
    }
    for (const known of [own, lately]) {
      if (incarnation > (known.get(peer) ?? -1)) known.set(peer, incarnation);
    }
  }

  function checkRumour(peer: PeerId, { said }: Talk, rumour: Rumour): void {
    const { peer: of, incarnation, status } = rumour;
    if (of === peer) spoke(peer, incarnation);
    else if (incarnation > (own.get(of) ?? 0)) {
      report('no-resurrection',
        `${peer} says that ${of} is ${status} in incarnation ${incarnation}, which it never was`);
    }
    const before = said.get(of), now = rank[status];
    if (before !== undefined
      && (incarnation < before.incarnation || (incarnation === before.incarnation && now < before.rank))) {
      report('no-resurrection', `${peer} says that ${of} is ${status} in incarnation ${incarnation}, after `
        + `${Object.keys(rank)[before.rank] ?? ''} in ${before.incarnation}`);
    }
    if (before === undefined || before.incarnation !== incarnation || before.rank !== now) {
      said.set(of, { incarnation, rank: now });
    }
  }

  function checkBeats(peer: PeerId, { beats: told }: Talk, { beats }: GossipMessage): void {
    for (const { peer: of, incarnation, sequence } of beats) {
      if (of === peer) spoke(peer, incarnation);
      const [last = 0, at = 0] = told.get(of) ?? [];
      if (incarnation < last || (incarnation === last && sequence < at)) {
        report('beats-go-forward', `${peer} tells of beat ${incarnation}/${sequence} of ${of}, after `
          + `${last}/${at}`);
      }
      told.set(of, [incarnation, sequence]);
    }
  }

  return {
    sent(peer, frame) {
      const message = decodeMessage(frame);
      if (isRefusal(message) || message.kind !== 'gossip') return;
      const talk = talkOf(peer);
      for (const rumour of message.message.rumours) checkRumour(peer, talk, rumour);
      checkBeats(peer, talk, message.message);
    },
    opened(peer) {
      talks.delete(peer);
      const last = lately.get(peer);
      if (forgetful.delete(peer)) {
        former.delete(peer);
        lately.delete(peer);
      } else if (last !== undefined) former.set(peer, last);
    },
    forget(peer) { talks.delete(peer); },
    wiped(peer) { forgetful.add(peer); },
  };
}
