// Somebody who looks after the machines: cordons a node now and then, and opens it again. What always holds:
// every node is open again in the end, however long it takes to say so.

import type { UserClient } from './client.ts';

export interface OperatorOptions {
  readonly nodes: readonly string[];
  readonly untilMs: number;
  readonly nowMs: () => number;
}

const thinkMsMin = 5_000, thinkMsMax = 60_000, retryMs = 1_000;

export function startOperator(client: UserClient, { nodes, untilMs, nowMs }: OperatorOptions): void {
  const { random } = client;

  function mark(node: string, unschedulable: boolean, done: () => void): void {
    client.call({
      method: 'PATCH', path: `/api/v1/nodes/${node}`, patch: 'merge', body: { spec: { unschedulable } },
    }, (result) => {
      // A node that is not registered yet can't be cordoned; whatever was asked for and not answered may
      // come.
      if (result?.status === 200) return done();
      if (unschedulable && result?.status === 404) return done();
      client.later(retryMs, () => mark(node, unschedulable, done));
    });
  }

  function act(): void {
    if (nowMs() >= untilMs) return;
    const node = nodes[random.below(nodes.length)] ?? '';
    mark(node, true,
      () => client.later(random.between(thinkMsMin, thinkMsMax), () => mark(node, false, next)));
  }

  function next(): void { client.later(random.between(thinkMsMin, thinkMsMax), act); }

  next();
}
