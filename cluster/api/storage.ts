// One object under two group-versions: it lies in the state in one form, and whoever asks under the other
// sees, changes and watches a view of it. Events are so (core/v1, events.k8s.io/v1), autoscalers
// (autoscaling/v1, v2), and custom kinds of several versions.
//
// What always holds: a view has name, uid and revision of what is stored, so that preconditions mean the same
// in both; viewing a view changes nothing; the same stored object gives the same view, but where a webhook
// has a say.
// Source: Kubernetes, "API versioning" and "Storage versions".

import { apiVersionOf } from './output.ts';
import type { Resource } from './resource.ts';
import type { KubeObject } from './types.ts';

const views = new WeakMap<Resource, WeakMap<KubeObject, KubeObject>>();

/** The stored object, or the view of it, as this resource shows it. */
export function viewOf(resource: Resource, object: KubeObject): KubeObject {
  const { storage } = resource;
  if (storage === undefined) return object;
  if (storage.everyView !== true && object.apiVersion === apiVersionOf(resource)) return object;
  if (storage.unkept === true) return storage.from(object);
  let known = views.get(resource);
  if (known === undefined) views.set(resource, known = new WeakMap());
  let view = known.get(object);
  if (view === undefined) known.set(object, view = storage.from(object));
  return view;
}

/** What is to be stored for this object of the resource. */
export function storedForm(resource: Resource, object: KubeObject): KubeObject {
  const { storage } = resource;
  return storage === undefined || object.apiVersion === apiVersionOf(storage.resource) ? object
    : storage.to(object);
}
