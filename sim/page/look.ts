// What a recording knows of a peer and its machine at one moment. It looks as the oracles do, from outside:
// at what the peer says of itself, at what it has noted, and at what truly runs on the machine.
// What always holds: looking changes nothing.

import type { Peer } from '../../actors/peer.ts';
import type { SimHost } from '../ports/containers.ts';
import type { Note } from '../ports/trace.ts';
import type { PeerState } from './data.ts';
import { cut } from './words.ts';

/** A state whose texts are not in a table yet. */
export interface Look extends Omit<PeerState, 'members' | 'pods' | 'actors'> {
  readonly members: string; readonly pods: string; readonly actors: string;
}

export const noProcess: Look = {
  phase: null, role: '', term: 0, leader: -1, commit: 0, applied: 0, last: 0, quorum: false,
  members: '', pods: '', actors: '',
};

export function lookAt(
  peer: Peer, numberOf: ReadonlyMap<string, number>, pods: string, actors: string,
): Look {
  const { phase, role, term, leader, commit, applied, lastIndex, quorum, members } = peer.status();
  return {
    phase, role, term, leader: leader === null ? -1 : numberOf.get(leader) ?? -1, commit, applied,
    last: lastIndex, quorum, pods, actors,
    members: members.map(({ name, voter, liveness }) => `${name} ${voter ? 'voter' : 'learner'} ${liveness}`)
      .join('\n'),
  };
}

export function isSame(a: Look, b: Look): boolean {
  return a.phase === b.phase && a.role === b.role && a.term === b.term && a.leader === b.leader
    && a.commit === b.commit && a.applied === b.applied && a.last === b.last && a.quorum === b.quorum
    && a.members === b.members && a.pods === b.pods && a.actors === b.actors;
}

/** A line per pod: its name, and each container with how it is. */
export function podsOf(host: SimHost): string {
  const { sandboxes, containers } = host.inspect();
  const pods = new Map<string, string[]>();
  for (const { pod, running } of sandboxes) {
    pods.set(`${pod.namespace}/${pod.name}`, running ? [] : ['sandbox dead']);
  }
  for (const { pod, name, state, exitCode } of containers) {
    const key = `${pod.namespace}/${pod.name}`, parts = pods.get(key) ?? ['no sandbox'];
    pods.set(key, parts);
    parts.push(state === 'exited' ? `${name} exited (${exitCode})` : `${name} ${state}`);
  }
  return [...pods].sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([pod, parts]) => `${pod} ${parts.join(', ') || 'no container'}`).join('\n');
}

/** Lines about actors of one peer. */
const actorsMax = 100;

/** The states of a peer's actors, and what its notes tell besides: a line each. */
export interface ActorNotes {
  take(note: Note): void;
  /** An actor came to a state; null: it stopped. */
  state(id: string, state: string | null): void;
  text(): string;
  clear(): void;
}

export function createActorNotes(): ActorNotes {
  const lines = new Map<string, string>();
  let text: string | null = '';
  return {
    take({ area, what, fields }) {
      text = null;
      switch (`${area}/${what}`) {
        case 'leader/started':
          lines.set('leader', `scheduler and controllers: running, term ${fields['term']}`);
          return;
        case 'leader/stopped':
          lines.delete('leader');
          return;
        case 'kubelet/runtime':
          lines.set('runtime', `container runtime: ${fields['up'] === false ? 'down' : 'up'}`);
          return;
        default: return;
      }
    },
    state(id, state) {
      text = null;
      if (state === null) lines.delete(id);
      else lines.set(id, `${id}: ${state}`);
    },
    text: () => (text ??= [...lines].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, actorsMax)
      .map(([, line]) => cut(line)).join('\n')),
    clear() {
      lines.clear();
      text = '';
    },
  };
}
