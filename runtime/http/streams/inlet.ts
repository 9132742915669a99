// What a client says on one flow, on its way in: no more than was granted, and what there is of it beyond
// that holds up the client's connection, so that it holds up nothing else.
// What always holds: the end of the input comes after all of it.

import { limits } from '../../../cluster/limits.ts';
import type { FlowInput } from '../../../cluster/flow.ts';
import type { Transport } from './transport.ts';

export interface Inlet {
  take(data: Buffer): void;
  /** There is no more. */
  eof(): void;
  grant(bytes: number): void;
  /** Nobody wants it any more; what is held is let go. */
  close(): void;
}

/** Pauses a connection while anything that it brought is held. */
export interface Gate { hold(): void; release(): void }

export function createGate(transport: () => Transport): Gate {
  let holders = 0;
  return {
    hold() {
      holders += 1;
      if (holders === 1) transport().pause();
    },
    release() {
      holders -= 1;
      if (holders === 0) transport().resume();
    },
  };
}

/** `consumed`: so much was handed on. */
export function createInlet(
  gate: Gate, give: (input: FlowInput) => void, consumed: (bytes: number) => void = () => undefined,
): Inlet {
  const held: Buffer[] = [];
  let room: number = limits.flowWindowBytes, ending = false, ended = false, holds = false;

  function pump(): void {
    for (let first = held.shift(); first !== undefined; first = held.shift()) {
      const size = Math.min(first.length, room, limits.flowChunkBytes);
      if (size > 0) {
        room -= size;
        give({ type: 'data', data: first.subarray(0, size) });
        consumed(size);
      }
      if (size === first.length) continue;
      held.unshift(first.subarray(size));
      if (size === 0) break;
    }
    settle();
    if (!ending || ended || held.length > 0) return;
    ended = true;
    give({ type: 'eof' });
  }

  function settle(): void {
    const wants = held.length > 0;
    if (wants === holds) return;
    holds = wants;
    if (wants) gate.hold();
    else gate.release();
  }

  return {
    take(data) {
      if (ending || data.length === 0) return;
      held.push(data);
      pump();
    },
    eof() {
      ending = true;
      pump();
    },
    grant(bytes) {
      room += bytes;
      pump();
    },
    close() {
      ending = ended = true;
      held.length = 0;
      settle();
    },
  };
}
