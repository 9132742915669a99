// The traffic port of the simulator: remembers the routes that a peer has asked for.

import type { Route, TrafficPort } from '../../cluster/ports.ts';

export interface SimTraffic {
  readonly port: TrafficPort;
  /** The table in force; the machine's kernel keeps it when the peer dies. */
  routes(): readonly Route[];
}

export function createTraffic(): SimTraffic {
  let table: readonly Route[] = [];
  return {
    port: { apply(routes) { table = routes; } },
    routes: () => table,
  };
}
