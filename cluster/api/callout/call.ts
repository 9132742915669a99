// Calls to servers of the cluster's users (webhooks of admission and of conversion, aggregated APIs), as
// plain data. The API is a function and waits for nobody: it is run with the answers that are known so far,
// and where it needs another one it gives back the call as a problem that its caller can solve: `Wanted`.
// Whoever serves the request carries the calls out and runs the function again, on the state as it is then.
//
// What always holds: a call is known by what it asks, not by when: its answer counts for as long as the same
// is asked again, and no longer. What the function draws (uids, names, times) is the same each time it is
// run for one request.

import type { OutboundRequest, OutboundResult } from '../../ports.ts';
import type { ApiContext } from '../request.ts';
import { Problem } from '../status.ts';

/** A call that the API wants an answer to. */
export interface Callout {
  /** What is asked of whom: equal keys, equal questions. */
  readonly key: string;
  /** What the caller has to find again in the answer; empty: nothing. */
  readonly uid: string;
  /** Where it may go, any of them; sorted, never empty. */
  readonly addresses: readonly Address[];
  readonly request: Omit<OutboundRequest, 'address'>;
}

export interface Address { readonly host: string; readonly port: number }

/** `uid`: of the call that was answered. */
export interface CalloutAnswer { readonly uid: string; readonly result: OutboundResult }

/** By the key of the call; null: not known yet. */
export type Answers = (key: string) => CalloutAnswer | null;

/** A class of problems: each way that a problem takes up to the client leads to who can solve this one. */
export class Wanted extends Problem {
  readonly calls: readonly Callout[];

  constructor(calls: readonly Callout[]) {
    super({
      kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', code: 500, reason: 'InternalError',
      message: 'Internal error occurred: this peer calls nobody',
    });
    this.calls = calls;
  }
}

export const isWanted = (value: unknown): value is Wanted => value instanceof Wanted;

/** The answer to the call; or the call itself, where it is not known. */
export function answerOf(answers: Answers | undefined, call: Callout): CalloutAnswer | Wanted {
  return answers?.(call.key) ?? new Wanted([call]);
}

/** A context whose draws are the same each time it is asked for. */
export function remembered(context: ApiContext): { again(): ApiContext } {
  const uids: string[] = [], suffixes: string[] = [];
  return {
    again() {
      let uid = 0, suffix = 0;
      return {
        ...context,
        uid: () => uids[uid++] ?? pushed(uids, context.uid()),
        suffix: () => suffixes[suffix++] ?? pushed(suffixes, context.suffix()),
      };
    },
  };
}

function pushed(list: string[], value: string): string {
  list.push(value);
  return value;
}
