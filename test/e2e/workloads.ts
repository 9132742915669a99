// What the end-to-end tests run: the image that Shoal brings along, which serves a page that names its pod,
// and the questions that they ask of it.

import { request } from 'node:http';
import type { Pod } from '../../cluster/api/types.ts';
import type { ApiClient } from './client.ts';

export const helloImage = 'shoal.dev/hello:1';

export function deployment(name: string, replicas: number, more: object = {}): object {
  return {
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, labels: { app: name } },
    spec: {
      replicas, selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 2,
          containers: [{
            name: 'page', image: helloImage, ports: [{ name: 'http', containerPort: 8080 }],
            resources: { requests: { cpu: '10m', memory: '8Mi' } },
          }],
          ...more,
        },
      },
    },
  };
}

/** Its node port is given by the cluster. */
export function service(name: string): object {
  return {
    apiVersion: 'v1', kind: 'Service', metadata: { name },
    spec: {
      type: 'NodePort', selector: { app: name },
      ports: [{ name: 'http', port: 80, targetPort: 'http' }],
    },
  };
}

export function configMap(name: string, data: Record<string, string> = {}): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data };
}

export const paths = {
  deployments: '/apis/apps/v1/namespaces/default/deployments',
  services: '/api/v1/namespaces/default/services',
  configMaps: '/api/v1/namespaces/default/configmaps',
  pods: '/api/v1/namespaces/default/pods',
} as const;

/** Pods that are ready and not about to go. */
export async function readyPods(api: ApiClient, selector: string): Promise<readonly Pod[]> {
  return (await api.pods(selector)).filter((pod) => pod.metadata.deletionTimestamp === undefined
    && pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true);
}

/** A page by plain HTTP on a connection of its own, so that each one may meet another pod. */
export function fetchPage(url: string, timeoutMs = 5_000): Promise<string> {
  return new Promise((done, fail) => {
    const outgoing = request(url, { agent: false, timeout: timeoutMs }, (response) => {
      let text = '';
      response.on('data', (data: Buffer) => { text += data.toString(); });
      response.on('end', () => done(text.trim()));
      response.on('error', fail);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${url}: no answer within ${timeoutMs} ms`)));
    outgoing.on('error', fail);
    outgoing.end();
  });
}

/** The pods that answer at a URL, in so many fetches. */
export async function answering(url: string, fetches: number): Promise<Set<string>> {
  const names = new Set<string>();
  for (let n = 0; n < fetches; n++) {
    names.add(/^Hello from (.+)$/.exec(await fetchPage(url))?.[1] ?? `no page of ours at ${url}`);
  }
  return names;
}
