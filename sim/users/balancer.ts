// A load balancer's controller, as a cloud brings it: for each Service it finds an address and writes it into
// the Service's status, with the Service as it knew it some time ago. What always holds: it changes nothing
// but status, so whatever else its writes change is a bug.

import { objectKey } from '../../cluster/ids.ts';
import { resources } from '../../cluster/api/objects.ts';
import type { KubeObject, Service } from '../../cluster/api/types.ts';
import { sameContent } from '../../cluster/canonical.ts';
import type { History } from '../check/history.ts';
import type { Report } from '../check/oracle.ts';
import type { UserClient } from './client.ts';

export interface BalancerOptions {
  /** Of the Services. */
  readonly names: readonly string[];
  readonly history: History;
  readonly report: Report;
  readonly untilMs: number;
  readonly nowMs: () => number;
}

const path = '/api/v1/namespaces/default/services';
const thinkMsMin = 500, thinkMsMax = 8_000, lookMsMax = 3_000;

export function startBalancer(client: UserClient, options: BalancerOptions): void {
  const { random } = client;
  const { names, untilMs, nowMs } = options;

  function next(): void {
    if (nowMs() < untilMs) client.later(random.between(thinkMsMin, thinkMsMax), act);
  }

  function act(): void {
    const name = names[random.below(names.length)] ?? '';
    client.call({ method: 'GET', path: `${path}/${name}` }, (result) => {
      if (result?.status !== 200) return next();
      const seen = result.object as Service;
      // Meanwhile the Service may be another; what it was is not to come back.
      client.later(random.between(0, lookMsMax), () => write(name, seen));
    });
  }

  function write(name: string, seen: Service): void {
    if (nowMs() >= untilMs) return;
    const { resourceVersion: _, ...metadata } = seen.metadata;
    const ports = seen.spec.ports?.map((port) => ({ ...port, name: `old-${random.below(100)}` })) ?? [];
    const body = {
      ...seen, metadata, spec: { ...seen.spec, ports },
      status: { loadBalancer: { ingress: [{ ip: `192.0.2.${random.between(1, 254)}` }] } },
    };
    client.call({ method: 'PUT', path: `${path}/${name}/status`, body }, (result) => {
      if (result?.status === 200) judge(options, name, result.object);
      next();
    });
  }

  next();
}

function judge({ history, report }: BalancerOptions, name: string, { metadata }: KubeObject): void {
  const revision = Number(metadata.resourceVersion);
  const change = history.changeAt(objectKey(resources.services, 'default', name), revision);
  if (change === null || change.previous === null) return;
  const before = change.previous as Service, now = change.object as Service;
  if (sameContent(before.spec, now.spec)) return;
  report('status-keeps-spec', `the status of Service ${name} was written at ${revision}, and its spec is `
    + `${JSON.stringify(now.spec)}, not ${JSON.stringify(before.spec)}`);
}
