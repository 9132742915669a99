// The trace port of the simulator: what peers say of themselves, kept for the report of a violation.
// What always holds: at most `keptMax` notes are kept; the newest stay.

import type { TracePort } from '../../cluster/ports.ts';

export interface Note {
  readonly atMs: number;
  readonly peer: string;
  readonly area: string;
  readonly what: string;
  readonly fields: Readonly<Record<string, string | number | boolean | null>>;
}

export interface SimTrace {
  port(peer: string): TracePort;
  /** Oldest first. */
  notes(): readonly Note[];
}

const keptMax = 400;

/** `actor`: who looks on at the states of actors, if anybody does. */
export function createTrace(
  nowMs: () => number, show: ((note: Note) => void) | null,
  actor: ((peer: string, id: string, state: string | null) => void) | null = null,
): SimTrace {
  let kept: Note[] = [];
  return {
    port: (peer) => ({
      event(area, what, fields) {
        const note = { atMs: nowMs(), peer, area, what, fields };
        show?.(note);
        kept.push(note);
        if (kept.length >= 2 * keptMax) kept = kept.slice(-keptMax);
      },
      ...actor === null ? {} : { actor: (id, state) => actor(peer, id, state) },
    }),
    notes: () => kept.slice(-keptMax),
  };
}

export function noteText({ area, what, fields }: Note): string {
  const words = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
  return [`${area}/${what}`, ...words].join(' ');
}
