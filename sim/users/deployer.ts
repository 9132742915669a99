// A user with one application: a Deployment with its Service, made, scaled, rolled out, deleted, made again.
// What always holds: it changes nothing once faults are over; what it then wants is what the state says.

import type { Deployment } from '../../cluster/api/types.ts';
import type { Call, Result, UserClient } from './client.ts';

export interface DeployerOptions {
  readonly name: string;
  readonly cpuMilli: number;
  readonly replicasMax: number;
  /** When it goes home. */
  readonly untilMs: number;
  readonly nowMs: () => number;
}

/** What the application prints when it starts, for those who read its log. */
export const printed = ['starting', 'listening on 8080', 'ready'] as const;

const deployments = '/apis/apps/v1/namespaces/default/deployments';
const services = '/api/v1/namespaces/default/services';
const thinkMsMin = 500, thinkMsMax = 25_000, retryMsMax = 1_500;

export function startDeployer(client: UserClient, options: DeployerOptions): void {
  const { random } = client;
  const { name } = options;
  let version = 0;

  function next(): void {
    client.later(random.chance(1, 4) ? thinkMsMin : random.between(thinkMsMin, thinkMsMax), act);
  }

  function act(): void {
    if (options.nowMs() >= options.untilMs) return;
    attempt({ method: 'GET', path: `${deployments}/${name}` }, (result) => {
      if (result.status === 404) return create();
      if (result.status === 200) return change(result.object as Deployment);
      next();
    });
  }

  /** Tries again, perhaps on another peer, until somebody answers for good. */
  function attempt(call: Call, done: (result: Result) => void): void {
    if (options.nowMs() >= options.untilMs) return;
    client.call(call, (result) => {
      if (result !== null && result.status !== 429 && result.status < 500) return done(result);
      client.later(random.between(100, retryMsMax), () => attempt(call, done));
    });
  }

  function create(): void {
    const body = deploymentOf(options, random.between(1, options.replicasMax), client);
    attempt({ method: 'POST', path: deployments, body }, () => {
      attempt({ method: 'POST', path: services, body: serviceOf(name) }, next);
    });
  }

  function change(deployment: Deployment): void {
    const what = random.below(10);
    if (what < 4) return scale();
    if (what < 7) return rollOut();
    if (what < 8) return replace(deployment);
    if (what < 9) return annotate();
    attempt({ method: 'DELETE', path: `${deployments}/${name}` }, () => {
      if (random.chance(1, 2)) return next();
      attempt({ method: 'DELETE', path: `${services}/${name}` }, next);
    });
  }

  function scale(): void {
    const replicas = random.between(0, options.replicasMax);
    attempt({
      method: 'PATCH', path: `${deployments}/${name}/scale`, patch: 'merge', body: { spec: { replicas } },
    }, next);
  }

  function rollOut(): void {
    version += 1;
    const containers = [{ name: 'app', image: `shoal/app:${version}` }];
    attempt({
      method: 'PATCH', path: `${deployments}/${name}`, patch: 'strategic',
      body: { spec: { template: { spec: { containers } } } },
    }, next);
  }

  function annotate(): void {
    attempt({
      method: 'PATCH', path: `${deployments}/${name}`, patch: 'merge',
      body: { metadata: { annotations: { 'example.com/note': String(random.u32()) } } },
    }, next);
  }

  /** Read, change, write: refused if somebody was faster. */
  function replace(seen: Deployment): void {
    const body = { ...seen, spec: { ...seen.spec, replicas: random.between(1, options.replicasMax) } };
    attempt({ method: 'PUT', path: `${deployments}/${name}`, body }, next);
  }

  next();
}

function deploymentOf(options: DeployerOptions, replicas: number, { random }: UserClient): unknown {
  const { name, cpuMilli } = options;
  const requests = (cpu: number): unknown => ({ requests: { cpu: `${cpu}m`, memory: '32Mi' } });
  const slow = random.chance(1, 8);
  const app = {
    name: 'app', image: 'shoal/app:0', resources: requests(cpuMilli), ports: [{ containerPort: 8080 }],
    env: [
      { name: 'SIM_PRINT', value: printed.join('|') }, ...slow ? [{ name: 'SIM_IGNORE_TERM', value: '1' }]
        : [],
    ],
  };
  const sidecar = { name: 'sidecar', image: 'shoal/sidecar:1', resources: { requests: { cpu: '10m' } } };
  const init = {
    name: 'init', image: 'shoal/init:1', resources: requests(cpuMilli),
    env: [{ name: 'SIM_EXIT_AFTER_MS', value: String(random.between(10, 2_000)) }],
  };
  const strategy = random.chance(1, 4) ? { type: 'Recreate' } : {
    type: 'RollingUpdate', rollingUpdate: { maxSurge: random.between(0, 1), maxUnavailable: 1 },
  };
  return {
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, labels: { app: name } },
    spec: {
      replicas, strategy, selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: random.between(0, 6),
          containers: random.chance(1, 3) ? [app, sidecar] : [app],
          initContainers: random.chance(1, 4) ? [init] : [],
        },
      },
    },
  };
}

const serviceOf = (name: string): unknown => ({
  apiVersion: 'v1', kind: 'Service', metadata: { name },
  spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }] },
});
