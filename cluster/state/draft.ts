// What the operations of one command add up to, before any of it takes effect.
// What always holds: later operations see what earlier ones did; a draft that is given up has changed
// nothing.
// Source: apiserver registry/generic/registry/store.go (create, update, delete), NamespaceLifecycle
// admission.

import { splitKey, uid } from '../ids.ts';
import type { ObjectKey, ResourceName } from '../ids.ts';
import { unreachable } from '../assert.ts';
import { resources } from '../api/objects.ts';
import type { KubeObject, Namespace, Service } from '../api/types.ts';
import { allocate, claim, release } from './allocate.ts';
import { chargesFor } from './quota.ts';
import {
  alreadyExists, definitionTerminating, invalid, isRefused, namespaceTerminating, notFound, unexpected,
} from './refusals.ts';
import { withSharedOwners } from './owners.ts';
import { sameObject } from './same.ts';
import type { MutableState } from './state.ts';
import type { Change, Expectation, Op, Refusal } from './types.ts';

interface Touched {
  readonly before: KubeObject | null;
  /** null: deleted. */
  now: KubeObject | null;
  /** The last version there was, for the change that tells of a deletion. */
  last: KubeObject;
}

interface Claim { readonly key: ObjectKey; readonly from: Service | null; readonly to: Service | null }

interface Target {
  readonly key: ObjectKey;
  readonly resource: ResourceName;
  readonly namespace: string;
  readonly name: string;
  readonly current: KubeObject | null;
}

/** The key of the CustomResourceDefinition that defines this, if it is a custom kind. */
function definitionOf(resource: ResourceName): ObjectKey {
  const cut = resource.indexOf('/'), name = `${resource.slice(cut + 1)}.${resource.slice(0, cut)}`;
  return `apiextensions.k8s.io/customresourcedefinitions//${name}` as ObjectKey;
}

export class Draft {
  readonly #state: MutableState;
  readonly #resourceVersion: string;
  /** In the order of first touch. */
  readonly #touched = new Map<ObjectKey, Touched>();
  /**
   * Services' addresses and ports are given out at once, so that the next operation sees them; see `giveUp`.
   */
  readonly #claims: Claim[] = [];

  constructor(state: MutableState) {
    this.#state = state;
    this.#resourceVersion = String(state.revision);
  }

  /** The object as it will be stored, or as it was last; or why the whole command is refused. */
  carryOut(op: Op): KubeObject | Refusal {
    const { key } = op, target: Target = { key, ...splitKey(key), current: this.#get(key) };
    switch (op.op) {
      case 'create': return this.#create(target, op.object);
      case 'update': return this.#update(target, op.object, op.expect ?? {});
      case 'delete': return this.#delete(target, op.expect ?? {});
      default: return unreachable(op);
    }
  }

  /**
   * To be called once, after the last operation: charges what was written to the quotas of its namespaces.
   * Why the whole command is refused; null: it is not.
   */
  settle(): Refusal | null {
    if (this.#state.quotasByNamespace.size === 0) return null;
    const charges = chargesFor(this.#state, this.#touched, (key) => this.#get(key));
    if ('reason' in charges) return charges;
    for (const { key, quota } of charges) {
      this.#put({ key, ...splitKey(key), current: this.#get(key) }, quota);
    }
    return null;
  }

  /** Puts back what was given out. The draft must not be used any more. */
  giveUp(): void {
    for (const { key, from, to } of this.#claims.toReversed()) this.#exchange(key, to, from);
  }

  /** What is to take effect, in the order of first touch. */
  changes(): readonly Change[] {
    const { revision } = this.#state, changes: Change[] = [];
    for (const [key, { before, now, last }] of this.#touched) {
      // Deleted and made again: two objects, two changes.
      const again = before !== null && now !== null && before.metadata.uid !== now.metadata.uid;
      if (before !== null && (now === null || again)) {
        const object = again ? this.#stamped(before) : last;
        changes.push({ type: 'DELETED', key, revision, object, previous: before });
      }
      if (now === null) continue;
      const previous = again ? null : before;
      changes.push({ type: previous === null ? 'ADDED' : 'MODIFIED', key, revision, object: now, previous });
    }
    return changes;
  }

  #create(target: Target, object: KubeObject): KubeObject | Refusal {
    const { key, resource, namespace, current } = target;
    if (current !== null) return alreadyExists(key);
    // Else an object might outlive the kind that it is of, made by a peer that had not heard of its end.
    if (this.#get(definitionOf(resource))?.metadata.deletionTimestamp !== undefined) {
      return definitionTerminating(key);
    }
    if (namespace !== '') {
      const parent = `${resources.namespaces}//${namespace}` as ObjectKey, holder = this.#get(parent);
      if (holder === null) return { ...notFound(parent), key };
      if (holder.metadata.deletionTimestamp !== undefined) return namespaceTerminating(key, namespace);
    }
    const ready = this.#prepared(target, object);
    return isRefused(ready) ? ready : this.#put(target, ready);
  }

  #update(target: Target, object: KubeObject, expect: Expectation): KubeObject | Refusal {
    const { key, current } = target;
    if (current === null) return notFound(key);
    const conflict = unexpected(key, current, expect)
      ?? unexpected(key, current, { uid: uid(object.metadata.uid) });
    if (conflict !== null) return conflict;
    const ready = this.#prepared(target, object);
    if (isRefused(ready)) return ready;
    if (isFinished(ready)) return this.#drop(target, ready);
    return sameObject(ready, current) ? current : this.#put(target, ready);
  }

  #delete(target: Target, expect: Expectation): KubeObject | Refusal {
    const { key, current } = target;
    if (current === null) return notFound(key);
    return unexpected(key, current, expect) ?? this.#drop(target, current);
  }

  /** Checked as far as the state itself relies on it, and with what has to be allocated. */
  #prepared({ key, resource, namespace, name, current }: Target, object: KubeObject): KubeObject | Refusal {
    const { metadata } = object;
    if (metadata.name !== name || (metadata.namespace ?? '') !== namespace) {
      const why = 'the object is not that of its key';
      return invalid(key, 'metadata.name', `Invalid value: "${metadata.name}": ${why}`);
    }
    if (metadata.uid === '') return invalid(key, 'metadata.uid', 'Required value');
    if (resource !== resources.pods && resource !== resources.services) return object;
    const { spec } = object as { spec?: unknown };
    if (typeof spec !== 'object' || spec === null) return invalid(key, 'spec', 'Required value');
    if (resource === resources.pods) return object;
    return allocate(this.#state.allocations, key, object as Service, current as Service | null);
  }

  #put(target: Target, object: KubeObject): KubeObject {
    const stored = this.#stamped(object);
    this.#touch(target, stored, stored);
    return stored;
  }

  #drop(target: Target, object: KubeObject): KubeObject {
    const last = this.#stamped(object);
    this.#touch(target, null, last);
    return last;
  }

  #touch({ key, resource, current }: Target, now: KubeObject | null, last: KubeObject): void {
    const known = this.#touched.get(key);
    if (known === undefined) this.#touched.set(key, { before: current, now, last });
    else Object.assign(known, { now, last });
    if (resource !== resources.services) return;
    this.#claims.push({ key, from: current as Service | null, to: now as Service | null });
    this.#exchange(key, current as Service | null, now as Service | null);
  }

  #exchange(key: ObjectKey, from: Service | null, to: Service | null): void {
    if (from !== null) release(this.#state.allocations, key, from);
    if (to !== null) claim(this.#state.allocations, key, to);
  }

  #get(key: ObjectKey): KubeObject | null {
    const touched = this.#touched.size === 0 ? undefined : this.#touched.get(key);
    return touched === undefined ? this.#state.objects.get(key) ?? null : touched.now;
  }

  #stamped(object: KubeObject): KubeObject {
    const stamped = { ...object.metadata, resourceVersion: this.#resourceVersion };
    return withSharedOwners({ ...object, metadata: stamped });
  }
}

/** Deletion was asked for, nothing holds the object back, and its grace is over. */
function isFinished(object: KubeObject): boolean {
  const { deletionTimestamp, finalizers = [], deletionGracePeriodSeconds = 0 } = object.metadata;
  if (deletionTimestamp === undefined || finalizers.length > 0) return false;
  if (deletionGracePeriodSeconds > 0) return false;
  return object.kind !== 'Namespace' || ((object as Namespace).spec?.finalizers ?? []).length === 0;
}
