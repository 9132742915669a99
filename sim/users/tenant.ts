// Somebody with a namespace: makes it, puts things into it, and has it deleted with all that is in it, again
// and again. What always holds: it changes nothing once faults are over.

import type { Call, Result, UserClient } from './client.ts';

export interface TenantOptions {
  readonly name: string;
  readonly cpuMilli: number;
  readonly untilMs: number;
  readonly nowMs: () => number;
}

const namespaces = '/api/v1/namespaces';
const thinkMsMin = 500, thinkMsMax = 20_000, retryMsMax = 1_500;

export function startTenant(client: UserClient, { name, cpuMilli, untilMs, nowMs }: TenantOptions): void {
  const { random } = client;
  const home = `${namespaces}/${name}`;

  /** Tries again until somebody answers for good. */
  function attempt(call: Call, done: (result: Result) => void): void {
    if (nowMs() >= untilMs) return;
    client.call(call, (result) => {
      if (result !== null && result.status !== 429 && result.status < 500) return done(result);
      client.later(random.between(100, retryMsMax), () => attempt(call, done));
    });
  }

  function next(): void { client.later(random.between(thinkMsMin, thinkMsMax), act); }

  function act(): void {
    attempt({ method: 'GET', path: home }, ({ status }) => {
      if (status === 404) return create();
      if (random.chance(1, 2)) attempt({ method: 'DELETE', path: home }, next);
      else furnish();
    });
  }

  function create(): void {
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
    attempt({ method: 'POST', path: namespaces, body }, furnish);
  }

  /** What can't be made, because the namespace is on its way out, or it is there already, is left. */
  function furnish(): void {
    const path = `/apis/apps/v1/namespaces/${name}/deployments`;
    attempt({ method: 'POST', path, body: applicationOf(name, cpuMilli) }, () => {
      const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { a: 'b' } };
      attempt({ method: 'POST', path: `${home}/configmaps`, body }, next);
    });
  }

  next();
}

function applicationOf(name: string, cpuMilli: number): unknown {
  return {
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'app' },
    spec: {
      replicas: 1, selector: { matchLabels: { tenant: name } },
      template: {
        metadata: { labels: { tenant: name } },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [{ name: 'app', image: 'shoal/tenant:1',
            resources: { requests: { cpu: `${cpuMilli}m` } } }],
        },
      },
    },
  };
}
