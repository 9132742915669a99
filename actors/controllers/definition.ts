// The controller of CustomResourceDefinitions: it accepts their names, so that they are served, and it
// deletes the instances of those that are deleted, and then these.
//
// What always holds: the names of a group are decided in one reconciliation at a time, from the state, the
// oldest definition first, so that no two definitions ever hold the same name; what was accepted stays so.
// Source: apiextensions-apiserver pkg/controller/status (naming), establish, finalizer, apiapproval: reasons
// and messages.

import { sameContent } from '../../cluster/canonical.ts';
import { approvalCondition } from '../../cluster/api/custom/approval.ts';
import { cleanupFinalizer, isTrue } from '../../cluster/api/custom/definition.ts';
import type { CustomNames, CustomResourceDefinition } from '../../cluster/api/custom/definition.ts';
import { withCondition } from '../../cluster/api/custom/kind.ts';
import { deletion, withoutFinalizer } from '../../cluster/api/deletion.ts';
import { updateOp } from '../../cluster/api/objects.ts';
import { builtIn, definitions } from '../../cluster/api/registry.ts';
import type { Condition, KubeObject } from '../../cluster/api/types.ts';
import { resourceName, splitKey } from '../../cluster/ids.ts';
import type { ResourceName } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { list } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Change, Op } from '../../cluster/state/types.ts';
import { nothing } from './controller.ts';
import type { ControllerDefinition, ReconcileContext, Reconciliation } from './controller.ts';

type Definition = CustomResourceDefinition;

export const definitionController: ControllerDefinition = {
  name: 'definition',
  component: 'customresourcedefinition-controller',
  keysOf: concerned,
  allKeys: (state) => [...new Set(list<Definition>(state, definitions).map(keyOf))],
  reconcile,
};

/** One key per group. */
const keyOf = ({ spec }: Definition): string => `group/${spec.group ?? ''}`;

/** A definition, or an object that one that is deleted waits for. */
function concerned(state: State, { type, key, object }: Change): readonly string[] {
  const { resource } = splitKey(key);
  if (resource === definitions) return [keyOf(object as Definition)];
  if (type !== 'DELETED') return [];
  const [group = ''] = resource.split('/');
  const waits = ({ metadata, spec }: Definition): boolean => metadata.deletionTimestamp !== undefined
    && resource === `${spec.group}/${spec.names.plural}`;
  return list<Definition>(state, definitions).some(waits) ? [`group/${group}`] : [];
}

const isMarked = ({ metadata }: KubeObject): boolean => metadata.deletionTimestamp !== undefined;

const instances = ({ spec }: Definition): ResourceName =>
  resourceName(`${spec.group ?? ''}/${spec.names.plural ?? ''}`);

function reconcile(state: State, key: string, context: ReconcileContext): Reconciliation {
  const all = list<Definition>(state, definitions).filter((one) => keyOf(one) === key);
  const byAge = [...all].sort((a, b) => compare(a.metadata.creationTimestamp, b.metadata.creationTimestamp)
    || compare(a.metadata.name, b.metadata.name));
  const ops: Op[] = [];
  const taken = new Map(byAge.map((one) => [one.metadata.name, one.status?.acceptedNames ?? {}] as const));
  for (const definition of byAge) {
    if (isMarked(definition)) ops.push(...cleanedUp(state, definition, context));
    else {
      const next = decided(definition, taken, context.nowWallMs);
      if (next !== definition) ops.push(updateOp(definitions, definition, next));
    }
    if (ops.length >= limits.collectedPerCommand) break;
  }
  return ops.length === 0 ? nothing : { steps: [{ ops }] };
}

const compare = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0;

// ── names ────────────────────────────────────────────────────────────────────────────────────────────────

type Taken = Map<string, CustomNames>;

/** The definition with what can be accepted of its names; itself where nothing changes. */
function decided(definition: Definition, taken: Taken, nowWallMs: number): Definition {
  const { name } = definition.metadata;
  const { names, conflict } = acceptedNames(definition, taken);
  taken.set(name, names);
  let conditions = withCondition(definition.status?.conditions ?? [], conflict ?? {
    type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found',
  }, nowWallMs);
  const established = establishing(definition, conflict === null);
  if (established !== null) conditions = withCondition(conditions, established, nowWallMs);
  const approval = approvalCondition(definition);
  if (approval !== null) conditions = withCondition(conditions, approval, nowWallMs);
  const status = { ...definition.status, acceptedNames: names, conditions };
  return sameContent(status, definition.status) ? definition : { ...definition, status };
}

/** What was established stays so, whatever is asked for later. */
function establishing(definition: Definition, accepted: boolean): Condition | null {
  if (isTrue(definition, 'Established')) return null;
  return accepted
    ? { type: 'Established', status: 'True', reason: 'InitialNamesAccepted',
        message: 'the initial names have been accepted' }
    : { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' };
}

interface Decision { readonly names: CustomNames; readonly conflict: Condition | null }

function acceptedNames(definition: Definition, taken: Taken): Decision {
  const wanted = definition.spec.names, before = definition.status?.acceptedNames ?? {};
  const others = [...taken].filter(([name]) => name !== definition.metadata.name).map(([, names]) => names);
  const words = new Set(others.flatMap(({ plural = '', singular = '', shortNames = [] }) =>
    [plural, singular, ...shortNames]));
  const kinds = new Set(others.flatMap(({ kind = '', listKind = '' }) => [kind, listKind]));
  let conflict: Condition | null = null;
  const refuse = (reason: string, message: string): void => {
    conflict = { type: 'NamesAccepted', status: 'False', reason, message };
  };
  const used = (name: string): string => `${JSON.stringify(name)} is already in use`;
  const single = (field: 'plural' | 'singular' | 'kind' | 'listKind', reason: string): string => {
    const name = wanted[field] ?? '', known = field === 'plural' || field === 'singular' ? words : kinds;
    if (name === (before[field] ?? '') || !known.has(name)) return name;
    refuse(reason, used(name));
    return before[field] ?? '';
  };
  const plural = single('plural', 'PluralConflict'), singular = single('singular', 'SingularConflict');
  const clashes = (wanted.shortNames ?? [])
    .filter((name) => before.shortNames?.includes(name) !== true && words.has(name)).map(used);
  if (clashes.length > 0) {
    refuse('ShortNamesConflict', clashes.length === 1 ? clashes[0] ?? '' : `[${clashes.join(', ')}]`);
  }
  const shortNames = clashes.length > 0 ? before.shortNames : wanted.shortNames;
  const kind = single('kind', 'KindConflict'), listKind = single('listKind', 'ListKindConflict');
  const names = {
    plural, ...singular === '' ? {} : { singular }, ...shortNames === undefined ? {} : { shortNames }, kind,
    ...listKind === '' ? {} : { listKind },
    ...wanted.categories === undefined ? {} : { categories: wanted.categories },
  };
  return { names, conflict };
}

// ── the end ──────────────────────────────────────────────────────────────────────────────────────────────

function cleanedUp(state: State, definition: Definition, context: ReconcileContext): readonly Op[] {
  const { nowWallMs } = context;
  if (definition.metadata.finalizers?.includes(cleanupFinalizer) !== true) return [];
  const resource = instances(definition);
  // What a built-in kind keeps under this name is not the definition's to delete.
  const isOther = builtIn.all().some((one) => `${one.group}/${one.resource}` === resource);
  if (isOther || !isTrue(definition, 'Established')) {
    const last = isOther
      ? {
          reason: 'OverlappingBuiltInResource',
          message: 'instances overlap with built-in resources in storage',
        }
      : { reason: 'NeverEstablished', message: 'resource was never established' };
    return finished(definition, last, nowWallMs);
  }
  const left = list<KubeObject>(state, resource);
  if (left.length === 0) {
    return finished(definition,
      { reason: 'InstanceDeletionCompleted', message: 'removed all instances' }, nowWallMs);
  }
  const going = withTerminating(definition, 'True', {
    reason: 'InstanceDeletionInProgress', message: 'CustomResource deletion is in progress',
  }, nowWallMs);
  const ops = going === definition ? [] : [updateOp(definitions, definition, going)];
  for (const object of left) {
    if (ops.length >= limits.collectedPerCommand) break;
    const op = deletion(resource, object, { nowWallMs });
    if (op !== null) ops.push(op);
  }
  return ops;
}

interface Ending { readonly reason: string; readonly message: string }

function withTerminating(
  definition: Definition, status: 'True' | 'False', ending: Ending, nowWallMs: number,
): Definition {
  const conditions = withCondition(definition.status?.conditions ?? [],
    { type: 'Terminating', status, ...ending }, nowWallMs);
  return sameContent(conditions, definition.status?.conditions) ? definition
    : { ...definition, status: { ...definition.status, conditions } };
}

/** Goes, or stays for somebody else's finalizer and says that its instances are gone. */
function finished(definition: Definition, ending: Ending, nowWallMs: number): readonly Op[] {
  const op = withoutFinalizer(definitions, withTerminating(definition, 'False', ending, nowWallMs),
    cleanupFinalizer);
  return op === null ? [] : [op];
}
