// A watch whose lines depend on what others answer, as those of a custom kind that a webhook converts: its
// changes wait in a line, and the first of them is asked about until it can be told.
//
// What always holds: changes are told in the order in which they came; no more than a bounded number waits,
// else the watch ends and its client lists again.

import type { RequestId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { isWanted } from '../../cluster/api/callout/call.ts';
import type { WatchRequest } from '../../cluster/api/request.ts';
import { failure, isProblem } from '../../cluster/api/status.ts';
import type { Problem } from '../../cluster/api/status.ts';
import type { Change } from '../../cluster/state/types.ts';
import type { Callouts, Thinking } from './callouts.ts';

export interface Converted {
  /** False: too many wait. */
  push(change: Change): boolean;
  /** Whether all has been told that came. */
  idle(): boolean;
  close(): void;
}

export interface ConvertedHooks {
  readonly callouts: Callouts;
  readonly think: () => Thinking;
  told(lines: string): void;
  /** The watch is over; its last line. */
  over(line: string): void;
}

export function createConverted(
  id: RequestId, later: NonNullable<WatchRequest['later']>, hooks: ConvertedHooks,
): Converted {
  const waiting: Change[] = [];
  let thinking: Thinking | null = null, closed = false, busy = false;

  function go(): void {
    while (!closed && !busy) {
      const [change] = waiting;
      if (change === undefined) return;
      thinking ??= hooks.think();
      const found = later(change, thinking.context());
      if (isWanted(found)) {
        busy = true;
        return hooks.callouts.ask(thinking, found.calls, heard);
      }
      if (isProblem(found)) return end(errorLine(found));
      thinking = null;
      waiting.shift();
      hooks.told(found);
    }
  }

  function heard(result: 'answered' | 'given up'): void {
    busy = false;
    if (closed) return;
    if (result === 'given up') end(gaveUp);
    else go();
  }

  function end(line: string): void {
    closed = true;
    hooks.over(line);
  }

  return {
    push(change) {
      if (waiting.length >= limits.convertedChangesMax) return false;
      waiting.push(change);
      go();
      return true;
    },
    idle: () => waiting.length === 0,
    close() {
      closed = true;
      hooks.callouts.close(id);
    },
  };
}

const errorLine = ({ problem }: Problem): string => `${JSON.stringify({ type: 'ERROR', object: problem })}\n`;

const gaveUp = `{"type":"ERROR","object":${
  failure(504, 'Timeout', 'the conversion of what changed took too long').body.trim()}}\n`;
