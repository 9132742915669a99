// Whom a webhook's `clientConfig` or an APIService means: a Service by its ready endpoints, or a URL.
//
// Source of facts: k8s.io/apiserver pkg/util/webhook (client.go: names, ports, paths), pkg/util/proxy
// (ResolveEndpoints and its messages). An endpoint is reached from any peer, so it is asked for itself, not
// for the Service's address, which only machines with a service proxy know.
// What always holds: addresses are sorted and at most so many that a call may try.

import { objectKey } from '../../ids.ts';
import { limits } from '../../limits.ts';
import { get, list } from '../../state/query.ts';
import type { State } from '../../state/state.ts';
import { resources, serviceNameLabel } from '../objects.ts';
import type { EndpointSlice, Service } from '../types.ts';
import type { Address } from './call.ts';

export interface ClientConfig {
  readonly url?: string;
  readonly service?: {
    readonly name?: string; readonly namespace?: string; readonly path?: string; readonly port?: number;
  };
  /** PEM in base64, as in JSON. */
  readonly caBundle?: string;
}

export interface Target {
  /** Why there is nobody to call; empty: there is. */
  readonly unresolved: string;
  readonly addresses: readonly Address[];
  /** What its certificate must name, and its Host header. */
  readonly serverName: string;
  readonly authority: string;
  readonly path: string;
  readonly caBundle: string | null;
}

export function targetOf(state: State, { url, service, caBundle }: ClientConfig): Target {
  const trusted = caBundle === undefined || caBundle === '' ? null : caBundle;
  if (service !== undefined) {
    const { name = '', namespace = '', path = '', port = 443 } = service;
    return { ...serviceTarget(state, namespace, name, port), path: path === '' ? '/' : path,
      caBundle: trusted };
  }
  const parsed = url === undefined || !URL.canParse(url) ? null : new URL(url);
  const host = parsed?.hostname.replace(/^\[(.*)\]$/, '$1') ?? '', port = Number(parsed?.port || '443');
  return {
    unresolved: parsed === null ? 'webhook configuration must have either service or URL' : '',
    addresses: [{ host, port }], serverName: host, authority: parsed?.host ?? '',
    path: parsed?.pathname ?? '/', caBundle: trusted,
  };
}

type Found = Omit<Target, 'path' | 'caBundle'>;

/** The ready endpoints of the port of a Service. */
export function serviceTarget(state: State, namespace: string, name: string, port: number): Found {
  const serverName = `${name}.${namespace}.svc`, authority = `${serverName}:${port}`;
  const none = (unresolved: string): Found => ({ unresolved, addresses: [], serverName, authority });
  const service = get<Service>(state, objectKey(resources.services, namespace, name));
  if (service === null) return none(`service ${JSON.stringify(name)} not found`);
  if (service.spec.type === 'ExternalName') {
    const { externalName = '' } = service.spec as { readonly externalName?: string };
    return { unresolved: '', addresses: [{ host: externalName, port }], serverName, authority };
  }
  const offered = service.spec.ports?.find((each) => each.port === port);
  if (offered === undefined) return none(`no service port ${port} found for service ${JSON.stringify(name)}`);
  const addresses = endpointsOf(state, namespace, name, offered.name ?? '');
  return addresses.length === 0 ? none(`no endpoints available for service ${JSON.stringify(name)}`)
    : { unresolved: '', addresses, serverName, authority };
}

function endpointsOf(state: State, namespace: string, name: string, portName: string): readonly Address[] {
  const found = new Map<string, Address>();
  for (const { metadata, endpoints, ports = [] } of
    list<EndpointSlice>(state, resources.endpointSlices, namespace)) {
    if (metadata.labels?.[serviceNameLabel] !== name) continue;
    const port = ports.find((each) => (each.name ?? '') === portName)?.port;
    if (port === undefined) continue;
    for (const { addresses, conditions } of endpoints) {
      if (conditions?.ready === false) continue;
      for (const host of addresses) found.set(`${host}:${port}`, { host, port });
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, address]) => address)
    .slice(0, limits.calloutAddressesMax);
}
