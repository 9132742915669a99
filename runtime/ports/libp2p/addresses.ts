// Addresses as people write them, `host:port`, and as libp2p does, `/ip4/192.0.2.1/tcp/7000`.

import { isIP } from 'node:net';
import { multiaddr } from '@multiformats/multiaddr';
import type { Multiaddr } from '@multiformats/multiaddr';

/** `host:port`, `[v6]:port` or a multiaddr over TCP. Throws an error that says what is wrong. */
export function parseAddress(text: string): Multiaddr {
  if (text.startsWith('/')) return parseMultiaddr(text);
  const match = /^(?:\[([^\]]+)\]|([^:\s/[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) {
    throw new Error(`${JSON.stringify(text)} is no address: expected HOST:PORT, as in 192.0.2.1:7400`);
  }
  const kind = isIP(host);
  if (match?.[1] !== undefined && kind !== 6) throw new Error(`[${host}] is no IPv6 address`);
  return multiaddr(`/${kind === 4 ? 'ip4' : kind === 6 ? 'ip6' : 'dns'}/${host}/tcp/${port}`);
}

function parseMultiaddr(text: string): Multiaddr {
  let parsed: Multiaddr;
  try {
    parsed = multiaddr(text);
  } catch (error) {
    throw new Error(`${text} is no multiaddr: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (hostAndPort(parsed) === null) throw new Error(`${text} is no TCP address: expected /ip4/…/tcp/…`);
  return parsed;
}

/** An address to listen at: an IP, for a name may stand for another machine. `localhost` is 127.0.0.1. */
export function parseListenAddress(text: string): Multiaddr {
  const parsed = parseAddress(text.replace(/^localhost:/, '127.0.0.1:'));
  if (isIP(hostAndPort(parsed)?.host ?? '') !== 0) return parsed;
  throw new Error(`can't listen at ${text}: give an IP address and a port`);
}

/** `host:port`, without the peer's id if the multiaddr has one. */
export function formatAddress(address: Multiaddr): string {
  const parts = hostAndPort(address);
  if (parts === null) return address.toString();
  return parts.host.includes(':') ? `[${parts.host}]:${parts.port}` : `${parts.host}:${parts.port}`;
}

function hostAndPort(address: Multiaddr): { host: string; port: string } | null {
  const [host, port] = address.getComponents();
  if (host?.value === undefined || port?.value === undefined || port.name !== 'tcp') return null;
  if (!['ip4', 'ip6', 'dns', 'dns4', 'dns6'].includes(host.name)) return null;
  return { host: host.value, port: port.value };
}

/** The addresses others can use: the machine's own ones before loopback, which is only used if it is all. */
export function reachable(addresses: readonly Multiaddr[]): string[] {
  const all = [...new Set(addresses.map(formatAddress))];
  const outside = all.filter((text) => !/^(127\.|\[::1\])/.test(text));
  return outside.length > 0 ? outside : all;
}
