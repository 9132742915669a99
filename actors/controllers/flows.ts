// The FlowSchemas and PriorityLevelConfigurations that a cluster begins with, and whether a schema's level is
// there.
//
// What always holds: the mandatory ones are as they must be; of the others only those are brought up to date
// that say so themselves. Source: Kubernetes, "Maintenance of the mandatory and suggested configuration
// objects"; apiserver util/flowcontrol (Dangling).

import {
  autoUpdateSpec, defaultLevels, defaultSchemas, mandatory,
} from '../../cluster/api/access/flowdefaults.ts';
import type { FlowDefault } from '../../cluster/api/access/flowdefaults.ts';
import { flowSchemas, priorityLevels } from '../../cluster/api/access/flows.ts';
import type { FlowSchema } from '../../cluster/api/access/flows.ts';
import { createOp, keyOf, newborn, updateOp } from '../../cluster/api/objects.ts';
import { sameJson } from '../../cluster/api/resources/validate.ts';
import { rfc3339 } from '../../cluster/api/time.ts';
import type { Condition, KubeObject } from '../../cluster/api/types.ts';
import { objectKey, splitKey } from '../../cluster/ids.ts';
import type { ObjectKey, ResourceName } from '../../cluster/ids.ts';
import { get, list } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Op } from '../../cluster/state/types.ts';
import { nothing } from './controller.ts';
import type { ControllerDefinition, ReconcileContext, Reconciliation } from './controller.ts';

const theKey = 'flows/defaults';
const isFlow = (resource: ResourceName): boolean => resource === flowSchemas || resource === priorityLevels;

export const defaultFlowsController: ControllerDefinition = {
  name: 'default-flows',
  component: 'flowcontrol-defaults',
  keysOf(state, { key, type }) {
    const { resource, name } = splitKey(key);
    if (!isFlow(resource)) return [];
    const own = type === 'DELETED' || mandatory.includes(name) ? [theKey] : [];
    return resource === flowSchemas ? [...own, key] : [...own, ...schemaKeys(state)];
  },
  allKeys: (state) => [theKey, ...schemaKeys(state)],
  reconcile: (state, key, context) => key === theKey ? defaults(state, context) : status(state, key, context),
};

const schemaKeys = (state: State): readonly string[] =>
  list(state, flowSchemas).map((schema) => keyOf(flowSchemas, schema));

type Stored = KubeObject & { readonly spec: object };

function defaults(state: State, context: ReconcileContext): Reconciliation {
  const ops: Op[] = [];
  const add = (resource: ResourceName, wanted: FlowDefault): void => {
    const { name } = wanted.metadata, stored = get<Stored>(state, keyOf(resource, wanted));
    if (stored === null) {
      const status = resource === flowSchemas ? { conditions: [danglingOf(wanted, true, context)] } : {};
      const made = newborn({ ...wanted, status }, { uid: context.newUid(), nowWallMs: context.nowWallMs });
      ops.push(createOp(resource, { ...made, metadata: { ...made.metadata, generation: 1 } }));
      return;
    }
    const follows = mandatory.includes(name) || stored.metadata.annotations?.[autoUpdateSpec] === 'true';
    if (!follows || sameJson(stored.spec, wanted.spec)) return;
    const generation = (stored.metadata.generation ?? 1) + 1, metadata = { ...stored.metadata, generation };
    ops.push(updateOp(resource, stored, { ...stored, metadata, spec: wanted.spec }));
  };
  for (const level of defaultLevels) add(priorityLevels, level);
  for (const schema of defaultSchemas) add(flowSchemas, schema);
  return ops.length === 0 ? nothing : { steps: [{ ops }] };
}

type WithStatus = FlowSchema & { readonly status?: { readonly conditions?: readonly Condition[] } };

function status(state: State, key: string, context: ReconcileContext): Reconciliation {
  const schema = get<WithStatus>(state, key as ObjectKey);
  if (schema === null || schema.metadata.deletionTimestamp !== undefined) return nothing;
  const level = schema.spec.priorityLevelConfiguration.name;
  const found = get(state, objectKey(priorityLevels, '', level)) !== null;
  const wanted = danglingOf(schema, found, context), conditions = schema.status?.conditions ?? [];
  const known = conditions.find(({ type }) => type === wanted.type);
  if (known?.status === wanted.status && known.message === wanted.message) return nothing;
  const others = conditions.filter(({ type }) => type !== wanted.type);
  const told = { ...schema, status: { ...schema.status, conditions: [...others, wanted] } };
  return { steps: [{ ops: [updateOp(flowSchemas, schema, told)] }] };
}

function danglingOf(
  { spec }: { readonly spec: object }, found: boolean, { nowWallMs }: ReconcileContext,
): Condition {
  const { name } = (spec as FlowSchema['spec']).priorityLevelConfiguration;
  const about = 'This FlowSchema references the PriorityLevelConfiguration object named '
    + JSON.stringify(name);
  return {
    type: 'Dangling', status: found ? 'False' : 'True', lastTransitionTime: rfc3339(nowWallMs),
    reason: found ? 'Found' : 'NotFound',
    message: found ? `${about} and it exists` : `${about} but there is no such object`,
  };
}
