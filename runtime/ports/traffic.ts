// The traffic port: node ports by a proxy of our own on the node's address, cluster IPs by nftables where
// this process may use it.
//
// What always holds: `apply` carries the table whole; what can't be carried is said once, in the log, with
// what to do about it; closing takes away all that was set up.

import type { Route, TrafficPort } from '../../cluster/ports.ts';
import { createNftables } from './nftables.ts';
import { createProxy } from './traffic/proxy.ts';

export interface TrafficOptions {
  /** Names this peer's own table, so that peers on one machine don't get into each other's. */
  readonly owner: string;
  readonly hostIP: string;
  readonly log: (line: string) => void;
}

export interface Traffic extends TrafficPort { close(): Promise<void> }

export function createTraffic(options: TrafficOptions): Traffic {
  const proxy = createProxy(options), nftables = createNftables(options);
  return {
    apply(routes: readonly Route[]) {
      proxy.apply(routes.filter((route) => route.nodePort > 0));
      nftables?.apply(routes.filter((route) => route.clusterIP !== ''));
    },
    async close() {
      await Promise.all([proxy.close(), nftables?.close()]);
    },
  };
}
