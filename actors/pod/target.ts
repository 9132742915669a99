// What a flow of exec, attach or port-forward leads to on this peer: the container of that name that runs
// now, or the sandbox that holds the pod's addresses.

import type { StreamsRequest } from '../../cluster/api/request.ts';
import type { FlowTarget } from '../../cluster/flow.ts';
import type { PodContext } from './context.ts';

/** Null: it does not run (any more). */
export function flowTarget(
  { containers, sandboxes }: PodContext, streams: StreamsRequest, port: number,
): FlowTarget | null {
  const { kind, command, stdin, stdout, stderr, tty } = streams;
  if (kind === 'portforward') {
    const sandbox = sandboxes.findLast(({ fact }) => fact.running);
    return sandbox === undefined ? null : { kind: 'dial', sandbox: sandbox.fact.id, port };
  }
  const running = containers
    .filter(({ fact }) => fact.name === streams.container && fact.state === 'running');
  const newest = running.sort((a, b) => b.fact.attempt - a.fact.attempt)[0];
  if (newest === undefined) return null;
  const container = newest.fact.id;
  return kind === 'exec' ? { kind, container, command, stdin, stdout, stderr, tty }
    : { kind, container, stdin, stdout, stderr, tty };
}
