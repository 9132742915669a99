// Who is told of everything that goes on in a world, for recordings. Oracles judge; a witness only remembers.
// What always holds: a witness changes nothing: a run with one and the same run without one have one hash.

import type { PeerId } from '../cluster/ids.ts';
import type { World } from './world.ts';

/** Each is called at the time it tells of; frames are the very objects that are delivered later. */
export interface Witness {
  /** The world is made; nothing has happened in it. */
  began(world: World): void;
  /** A peer hands a message to the network, whatever becomes of it. `plane`: how it travels. */
  sent(from: PeerId, to: PeerId, plane: 'message' | 'feed' | 'join-message', frame: Uint8Array): void;
  /** A peer hands a write to its disk; `persisted` with this token follows, or a crash. */
  wrote(peer: PeerId, token: number): void;
  /** An actor of the peer of this name came to a state; null: it stopped. */
  actor(peer: string, id: string, state: string | null): void;
  /** A process starts on this machine. */
  started(machine: number): void;
  /** Its process is over. `reason`: why it stopped by itself; null where it was killed. */
  ended(machine: number, reason: string | null): void;
}
