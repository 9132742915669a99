// Cluster IPs by nftables: one table per peer, rewritten whole in one transaction, that turns a connection to
// a Service's address into one to a backend, chosen at random, for what this machine and its pods send.
//
// What always holds: the kernel's table is the last one applied or the one before it, never a mixture; the
// table goes away with the peer (one that was killed leaves it, and replaces it when it starts again).
// Source: the layout follows kube-proxy's nftables mode (KEP-3866): a map from address and port to a chain.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import type { Route } from '../../cluster/ports.ts';

export interface NftablesOptions { readonly owner: string; readonly log: (line: string) => void }

export interface Nftables { apply(routes: readonly Route[]): void; close(): Promise<void> }

/** Null where nft can't be used: not root, not Linux, or not installed; which is said in the log. */
export function createNftables(options: NftablesOptions): Nftables | null {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    options.log(
      'cluster IPs are not reachable from this machine: that needs Linux and root; node ports work');
    return null;
  }
  if (spawnSync('nft', ['list', 'tables'], { stdio: 'ignore' }).status !== 0) {
    options.log('cluster IPs are not reachable from this machine: nft is missing or refused; '
      + 'install the package nftables; node ports work');
    return null;
  }
  const table = tableName(options.owner);
  let running = false, waiting: readonly Route[] | null = null, told = '', current = '';
  let idle: (() => void)[] = [];

  async function next(): Promise<void> {
    while (waiting !== null) {
      const text = ruleset(table, waiting);
      waiting = null;
      if (text === current) continue;
      const error = await nft(text);
      if (error === null) current = text;
      else if (error !== told) options.log(`nft refused the table of Services: ${error}`);
      told = error ?? '';
    }
    running = false;
    for (const done of idle) done();
    idle = [];
  }

  return {
    apply(routes) {
      waiting = routes;
      if (running) return;
      running = true;
      void next();
    },
    async close() {
      waiting = null;
      if (running) await new Promise<void>((done) => idle.push(done));
      await nft(removal(table));
    },
  };
}

export function tableName(owner: string): string {
  return `shoal-${createHash('sha256').update(owner).digest('hex').slice(0, 12)}`;
}

/** Takes away the table of a peer that is gone, where there is one and this process may. */
export async function removeTable(owner: string): Promise<void> {
  if (process.platform === 'linux' && process.getuid?.() === 0) await nft(removal(tableName(owner)));
}

function removal(table: string): string { return `table ip ${table}\ndelete table ip ${table}\n`; }

/** The whole table as text. Adding it before deleting it makes the deletion succeed where there was none. */
function ruleset(table: string, routes: readonly Route[]): string {
  const served = routes.filter((route) => route.backends.length > 0);
  const refused = routes.filter((route) => route.backends.length === 0);
  const chain = (route: Route): string =>
    `svc-${createHash('sha256').update(`${route.name}/${route.protocol}`).digest('hex').slice(0, 12)}`;
  const address = (route: Route): string =>
    `${route.clusterIP} . ${route.protocol.toLowerCase()} . ${route.port}`;
  const backends = [...new Set(served.flatMap((route) => route.backends.map(({ ip }) => ip)))].sort();
  return [
    removal(table), `table ip ${table} {`,
    '  map services {', '    type ipv4_addr . inet_proto . inet_service : verdict',
    ...served.length === 0
      ? [] : [`    elements = { ${
        served.map((route) => `${address(route)} : goto ${chain(route)}`).join(', ')} }`],
    '  }',
    '  set refused {', '    type ipv4_addr . inet_proto . inet_service',
    ...refused.length === 0 ? [] : [`    elements = { ${refused.map(address).join(', ')} }`],
    '  }',
    '  set hairpin {', '    type ipv4_addr . ipv4_addr',
    ...backends.length === 0
      ? [] : [`    elements = { ${backends.map((ip) => `${ip} . ${ip}`).join(', ')} }`],
    '  }',
    ...served.map((route) => chainOf(chain(route), route)),
    `  chain out { type nat hook output priority -100; ${target} vmap @services; }`,
    `  chain in { type nat hook prerouting priority -100; ${target} vmap @services; }`,
    // A pod that reaches itself through its Service must not see itself as the sender.
    '  chain back { type nat hook postrouting priority 100;',
    '    ct status dnat ip saddr . ip daddr @hairpin masquerade; }',
    `  chain refuse-out { type filter hook output priority -110; ${target} @refused reject; }`,
    `  chain refuse-in { type filter hook forward priority -110; ${target} @refused reject; }`,
    '}', '',
  ].join('\n');
}

function chainOf(name: string, route: Route): string {
  const { backends, protocol } = route;
  const targets = backends.map(({ ip, port }, at) => `${at} : ${ip} . ${port}`).join(', ');
  const choice = `numgen random mod ${backends.length} map { ${targets} }`;
  return `  chain ${name} { meta l4proto ${protocol.toLowerCase()} dnat ip to ${choice}; }`;
}

/** What a packet is looked up by. */
const target = 'ip daddr . meta l4proto . th dport';

/** The error text, or null. */
function nft(text: string): Promise<string | null> {
  return new Promise((done) => {
    const child = spawn('nft', ['-f', '-'], { stdio: ['pipe', 'ignore', 'pipe'] });
    let error = '';
    child.stderr.on('data', (data: Buffer) => { error += data.toString(); });
    child.on('error', (failed) => done(failed.message));
    child.on('close', (code) => done(code === 0 ? null : error.trim().split('\n')[0] ?? `exit ${code}`));
    child.stdin.on('error', () => undefined);
    child.stdin.end(text);
  });
}
