// Keeps this machine's traffic table true to the Services and their endpoints. It runs on every peer,
// leader or not, from local state: a peer that hears nobody keeps the last known routes.
//
// settled → gathering (a short time, in which more changes join) → settled
// What always holds: only Services that a change concerned are looked at again, and the port is called only
// with a table that differs from the one it has.

import { setup } from 'xstate';
import { keyOf, resources, serviceNameLabel } from '../../cluster/api/objects.ts';
import type { Service } from '../../cluster/api/types.ts';
import { objectKey, splitKey } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { Route } from '../../cluster/ports.ts';
import { list } from '../../cluster/state/query.ts';
import type { Change } from '../../cluster/state/types.ts';
import { canonicalText } from '../../cluster/canonical.ts';
import { startRoot } from '../root.ts';
import type { PeerServices } from '../services.ts';
import { routesOf } from './routes.ts';

export interface ServiceActor {
  /** Applied changes, in order. */
  changes(changes: readonly Change[]): void;
  /** The state was replaced by a snapshot: everything may be different. */
  reset(): void;
  stop(): void;
}

type ServiceActorEvent =
  { readonly type: 'changed'; readonly keys: readonly string[] } | { readonly type: 'all' };

interface ServiceActorContext {
  /** Services to look at again. Keys hold slashes, so none is integer-like. */
  dirty: Record<string, true>;
  all: boolean;
}

export function createServiceActor(services: PeerServices): ServiceActor {
  const actor = startRoot(routesMachine(createTable(services)), {
    id: 'service-routes',
    clock: services.clock,
  });
  return {
    changes(changes) {
      const keys = changes.flatMap(servicesIn);
      if (keys.length > 0) actor.send({ type: 'changed', keys });
    },
    reset() { actor.send({ type: 'all' }); },
    stop() { actor.stop(); },
  };
}

function routesMachine(table: Table) {
  return setup({
    types: { context: {} as ServiceActorContext, events: {} as ServiceActorEvent },
    actions: {
      mark: ({ context, event }) => {
        if (event.type === 'all') context.all = true;
        else if (event.type === 'changed') for (const key of event.keys) context.dirty[key] = true;
      },
      redraw: ({ context }) => {
        table.redraw(context.all ? null : Object.keys(context.dirty));
        context.dirty = {};
        context.all = false;
      },
    },
  }).createMachine({
    id: 'service-routes',
    context: () => ({ dirty: {}, all: true }),
    initial: 'gathering',
    states: {
      settled: {
        on: {
          changed: { actions: 'mark', target: 'gathering' },
          all: { actions: 'mark', target: 'gathering' },
        },
      },
      gathering: {
        on: { changed: { actions: 'mark' }, all: { actions: 'mark' } },
        after: { [limits.routesSettleMs]: { actions: 'redraw', target: 'settled' } },
      },
    },
  });
}

interface Table {
  /** Looks at these Services again, or at all. */
  redraw(keys: readonly string[] | null): void;
}

function createTable(services: PeerServices): Table {
  let byService = new Map<string, readonly Route[]>();
  let shown: string | null = null;
  return {
    redraw(keys) {
      const state = services.state();
      if (keys === null) byService = new Map();
      const looked =
        keys ?? list<Service>(state, resources.services).map((one) => keyOf(resources.services, one));
      for (const key of looked) {
        const routes = routesOf(state, key as ObjectKey);
        if (routes.length === 0) byService.delete(key);
        else byService.set(key, routes);
      }
      const all = [...byService.keys()].sort().flatMap((key) => byService.get(key) ?? []);
      const text = canonicalText(all);
      if (text === shown) return;
      shown = text;
      services.traffic(all);
      services.trace('service', 'routes', { routes: all.length });
    },
  };
}

function servicesIn({ key, object, previous }: Change): readonly string[] {
  const { resource, namespace } = splitKey(key);
  if (resource === resources.services) return [key];
  if (resource !== resources.endpointSlices) return [];
  return [object, previous].flatMap((slice) => {
    const name = slice?.metadata.labels?.[serviceNameLabel];
    return name === undefined ? [] : [objectKey(resources.services, namespace, name)];
  });
}
