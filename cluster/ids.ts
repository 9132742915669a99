// Names of things, as branded strings and numbers, so that one can never be passed for another.
// A brand exists only for the type checker: at run time each of these is a plain string or number.

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** A peer's identity: the libp2p PeerId as text (in the simulator, any unique text). */
export type PeerId = Brand<string, 'PeerId'>;
/** A peer's name, which is also the name of its Node object (a DNS subdomain). */
export type NodeName = Brand<string, 'NodeName'>;
/** `metadata.uid`: unique over the life of the cluster. */
export type Uid = Brand<string, 'Uid'>;
/** A Raft term, ≥ 0. 0 is before the first election. */
export type Term = Brand<number, 'Term'>;
/** A position in the log, ≥ 0; 0 is before the first entry. */
export type Index = Brand<number, 'Index'>;
/** The log index at which an object last changed; shown to clients as `metadata.resourceVersion`. */
export type Revision = Brand<number, 'Revision'>;
/** `group/resource`, the core group spelt `core`: `core/pods`, `apps/deployments`. */
export type ResourceName = Brand<string, 'ResourceName'>;
/** `group/resource/namespace/name`; the namespace of a cluster-scoped object is empty. */
export type ObjectKey = Brand<string, 'ObjectKey'>;
/** One client request on one peer; unique within that peer's run. */
export type RequestId = Brand<string, 'RequestId'>;

export const peerId = (text: string): PeerId => text as PeerId;
export const nodeName = (text: string): NodeName => text as NodeName;
export const uid = (text: string): Uid => text as Uid;
export const term = (n: number): Term => n as Term;
export const index = (n: number): Index => n as Index;
export const revision = (n: number): Revision => n as Revision;
export const resourceName = (text: string): ResourceName => text as ResourceName;
export const requestId = (text: string): RequestId => text as RequestId;

/** The key under which the state holds an object. Names and namespaces never contain a slash. */
export function objectKey(resource: ResourceName, namespace: string, name: string): ObjectKey {
  return `${resource}/${namespace}/${name}` as ObjectKey;
}

/** The parts of an object's key. */
export function splitKey(key: ObjectKey): { resource: ResourceName; namespace: string; name: string } {
  const second = key.indexOf('/', key.indexOf('/') + 1), third = key.indexOf('/', second + 1);
  return {
    resource: key.slice(0, second) as ResourceName, namespace: key.slice(second + 1, third),
    name: key.slice(third + 1),
  };
}
