// Somebody whose ReplicaSet selects the pods of an application as well as its own: with labels alone nobody
// could tell whose they are. It brings out who takes what belongs to somebody else.

import type { Call, Result, UserClient } from './client.ts';

export interface RivalOptions {
  /** Whose labels it uses. */
  readonly application: string;
  readonly untilMs: number;
  readonly nowMs: () => number;
}

const path = '/apis/apps/v1/namespaces/default/replicasets', name = 'rival';
const thinkMsMin = 1_000, thinkMsMax = 12_000, retryMsMax = 1_000;
const replicasMax = 2;

export function startRival(client: UserClient, { application, untilMs, nowMs }: RivalOptions): void {
  const { random } = client;

  /** Tries again until somebody answers for good. */
  function attempt(call: Call, done: (result: Result) => void): void {
    if (nowMs() >= untilMs) return;
    client.call(call, (result) => {
      if (result !== null && result.status !== 429 && result.status < 500) return done(result);
      client.later(random.between(50, retryMsMax), () => attempt(call, done));
    });
  }

  function next(): void { client.later(random.between(thinkMsMin, thinkMsMax), act); }

  function act(): void {
    attempt({ method: 'GET', path: `${path}/${name}` }, ({ status }) => {
      const replicas = random.between(0, replicasMax);
      if (status === 404) {
        return attempt({ method: 'POST', path, body: setOf(application, Math.max(1, replicas)) }, next);
      }
      if (random.chance(1, 4)) return attempt({ method: 'DELETE', path: `${path}/${name}` }, next);
      attempt({
        method: 'PATCH', path: `${path}/${name}/scale`, patch: 'merge', body: { spec: { replicas } },
      }, next);
    });
  }

  next();
}

/** The set itself has other labels, so that no Deployment adopts it. */
const setOf = (application: string, replicas: number): unknown => ({
  apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: { name, labels: { role: name } },
  spec: {
    replicas, selector: { matchLabels: { app: application } },
    template: {
      metadata: { labels: { app: application, role: name } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 'one', image: 'shoal/rival:1', resources: { requests: { cpu: '10m' } } }],
      },
    },
  },
});
