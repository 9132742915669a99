// What `npm start` shows: applies examples/hello.yaml, waits until it is available, fetches its page through
// its Service.

import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { fileURLToPath } from 'node:url';
import type { Deployment, KubeObject, Node, Service } from '../../cluster/api/types.ts';
import { openClient } from './client.ts';
import type { Client } from './client.ts';
import type { Progress } from './progress.ts';

const timeoutMs = 120_000, pollMs = 500;

const collections: Readonly<Record<string, string>> = {
  Deployment: '/apis/apps/v1/namespaces/default/deployments', Service: '/api/v1/namespaces/default/services',
};

export async function hello(kubeconfig: string, progress: Progress): Promise<void> {
  const client = openClient({ kubeconfig });
  progress.step('applying examples/hello.yaml');
  for (const object of example()) await apply(client, object);
  await available(client, progress);
  const url = await address(client);
  const page = await fetchPage(url);
  progress.done(`${url} answers through its Service: ${page.trim()}`);
}

/** From the sources two folders up, from dist three. */
function example(): KubeObject[] {
  for (const path of ['../../examples/hello.yaml', '../../../examples/hello.yaml']) {
    let text: string;
    try {
      text = readFileSync(fileURLToPath(new URL(path, import.meta.url)), 'utf8');
    } catch {
      continue;
    }
    return parseAllDocuments(text).map((document) => document.toJS() as KubeObject);
  }
  throw new Error('examples/hello.yaml is missing');
}

/** Creates it, or brings what is there to what the file says. */
async function apply(client: Client, object: KubeObject): Promise<void> {
  const path = collections[object.kind];
  if (path === undefined) throw new Error(`the example holds a ${object.kind}, which is not expected there`);
  const { status, body } = await client.send('POST', path, object);
  if (status === 409) await client.json('PATCH', `${path}/${object.metadata.name}`, object);
  else if (status >= 400) throw new Error((JSON.parse(body) as { message: string }).message);
}

async function available(client: Client, progress: Progress): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await client.json<Deployment>('GET', `${collections['Deployment']}/hello`);
    const wanted = found.spec.replicas ?? 1, ready = found.status?.availableReplicas ?? 0;
    progress.step(`waiting for deployment/hello: ${ready} of ${wanted} replicas available`);
    if (ready >= wanted && found.status?.observedGeneration === found.metadata.generation) return;
    if (Date.now() > deadline) throw new Error(
      'deployment/hello did not become available; see kubectl describe pods');
    await new Promise((done) => setTimeout(done, pollMs));
  }
}

async function address(client: Client): Promise<string> {
  const service = await client.json<Service>('GET', `${collections['Service']}/hello`);
  const nodes = await client.json<{ items: Node[] }>('GET', '/api/v1/nodes');
  const ip = nodes.items[0]?.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
  return `http://${ip}:${service.spec.ports?.[0]?.nodePort}/`;
}

/** The node port opens a moment after the Service has endpoints. */
async function fetchPage(url: string): Promise<string> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) });
      if (answer.ok) return await answer.text();
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`${url} does not answer: ${String(error)}`);
    }
    await new Promise((done) => setTimeout(done, pollMs));
  }
}
