// What a kind is, as one value: schema, defaults, validation, columns, strategy, names. `handle.ts` and its
// siblings are driven by these tables alone; a kind is added by adding one to `resources/index.ts`.

import type { Conversion } from './custom/conversion.ts';
import type { ParsedBody } from './body.ts';
import type { Conformed } from './decode.ts';
import type { UserInfo } from './request.ts';
import type { Problem } from './status.ts';
import type { KubeObject, StatusCause } from './types.ts';

/**
 * The shape of a field. It drives decoding (wrong types are 400, unknown fields are warned of or refused),
 * strategic merge, server-side apply, protobuf and OpenAPI.
 */
export type Schema =
  | { readonly type: 'string' | 'boolean' | 'number' | 'quantity' | 'int-or-string' | 'bytes' | 'any' }
  /** Whole seconds, or `micro`: with six digits after them. */
  | { readonly type: 'time'; readonly micro?: boolean }
  /** Whole numbers; without `bits`, of any size that JSON keeps exact. */
  | { readonly type: 'integer'; readonly bits?: 32 | 64 }
  | ObjectSchema | MapSchema | ListSchema;

export interface ObjectSchema {
  readonly type: 'object';
  readonly fields: Readonly<Record<string, Schema>>;
  /** What fields are that `fields` does not name; without it there are none such. Custom kinds only. */
  readonly others?: Schema;
  /** Names that `others` does not speak of. */
  readonly except?: readonly string[];
  readonly required?: readonly string[];
  /** Lists and maps that are shown even when they are empty; others count as not there then. */
  readonly kept?: readonly string[];
  /** OpenAPI definition name, e.g. `io.k8s.api.core.v1.PodSpec`. */
  readonly name?: string;
  /** `replace`: strategic merge replaces the whole. `retainKeys` as in Deployment strategy. */
  readonly patch?: 'replace' | 'retainKeys';
  /** Server-side apply owns it as a whole (`structType=atomic`). */
  readonly atomic?: boolean;
}

export interface MapSchema {
  readonly type: 'map';
  readonly of: Schema;
  /** Server-side apply owns it as a whole (`mapType=atomic`). */
  readonly atomic?: boolean;
}

export interface ListSchema {
  readonly type: 'list';
  readonly of: Schema;
  /** Strategic merge: by this key, or as a set (`patchStrategy: merge` of scalars), or replaced if absent. */
  readonly mergeKey?: string;
  readonly set?: boolean;
  /** Server-side apply (`listType`): owned by item as a set, by item under `keys`, or, if absent, whole. */
  readonly owned?: 'set' | 'map';
  /** `listMapKeys`, in Kubernetes' order; only where `owned` is `map`. */
  readonly keys?: readonly string[];
  /** What a key that an item leaves out stands for, in custom kinds; the tables have those of the others. */
  readonly keyDefaults?: Readonly<Record<string, unknown>>;
}

export interface Column {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'date' | 'boolean';
  /** `name` for the first column, else empty. */
  readonly format: string;
  readonly description: string;
  /** 0: always shown; 1: with `-o wide`. */
  readonly priority: number;
  readonly value: (object: KubeObject, nowWallMs: number) => string | number | boolean | null;
}

/** Who asks for a write, and when: for kinds that keep it. */
export interface Asker { readonly user: UserInfo; readonly nowWallMs: number }

/** Which resource's form of an object is stored, and the way to that form and back. */
export interface Storage {
  readonly resource: Resource;
  readonly to: (object: KubeObject) => KubeObject;
  readonly from: (stored: KubeObject) => KubeObject;
  /** Also what was stored in this form may look different today: custom kinds get new defaults. */
  readonly everyView?: boolean;
  /** A view counts for one request: what a webhook says is not kept. */
  readonly unkept?: boolean;
}

export type Subresource =
  'status' | 'scale' | 'log' | 'binding' | 'finalize' | 'approval' | 'token' | 'exec' | 'attach'
    | 'portforward' | 'ephemeralcontainers';

export interface Resource {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** Plural, lower case. */
  readonly resource: string;
  readonly singular: string;
  readonly kind: string;
  /** Where it is not the kind with `List` behind it. */
  readonly listKind?: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  readonly subresources: readonly Subresource[];
  /** The whole object: apiVersion, kind, metadata and the rest. */
  readonly schema: Schema;
  /** For a kind that no table has: the definition that OpenAPI publishes, of version 2 or 3, and its name. */
  readonly published?: {
    readonly name: string;
    readonly definition: (generation: 2 | 3) => Readonly<Record<string, unknown>>;
  };
  readonly columns: readonly Column[];
  /** The order of a list's rows in a Table, where it is not that of the list. */
  readonly rowOrder?: (a: KubeObject, b: KubeObject) => number;
  /** Field selector name → value; `metadata.name` and `metadata.namespace` need not be listed. */
  readonly fields: Readonly<Record<string, (object: KubeObject) => string>>;
  /** Fills defaults. Gets and returns a decoded object; never changes its argument. */
  readonly defaults: (object: KubeObject) => KubeObject;
  /** Kubernetes' strategy PrepareForCreate: e.g. drops status, sets the initial phase. It has its uid. */
  readonly prepareCreate: (object: KubeObject, by?: Asker) => KubeObject;
  /** PrepareForUpdate: e.g. keeps the old status. Generation is raised by the caller if `spec` changed. */
  readonly prepareUpdate: (object: KubeObject, old: KubeObject) => KubeObject;
  /** For `PUT …/status`: the old object with the new status (and, as in Kubernetes, nothing else). */
  readonly prepareStatus: (object: KubeObject, old: KubeObject, by?: Asker) => KubeObject;
  /** For `PUT …/approval`. */
  readonly prepareApproval?: Resource['prepareStatus'];
  /** For `PUT …/ephemeralcontainers`: a part of the spec, so that the generation is raised. */
  readonly prepareEphemeralContainers?: Resource['prepareStatus'];
  /**
   * Field errors of a create (`old` null) or an update; empty means valid. Metadata is validated by the
   * caller. `subresource`: the one that is written; empty or missing for the object itself.
   */
  readonly validate:
    (object: KubeObject, old: KubeObject | null, subresource?: string) => readonly StatusCause[];
  /** In place of decoding by the schema alone. */
  readonly decode?: (body: ParsedBody) => Conformed | Problem;
  /** What a deletion changes when it begins, besides marking the object. */
  readonly prepareDelete?: (object: KubeObject, nowWallMs: number) => KubeObject;
  /** Its objects are not stored: they are measured when somebody asks for them. */
  readonly measured?: true;
  /** Defined by a CustomResourceDefinition. */
  readonly custom?: true;
  /** What a client that uses it is warned of; null or missing: nothing. */
  readonly deprecation?: string | null;
  /** Seconds of grace for a delete that names none; 0: at once. Pods only. */
  readonly graceSeconds?: (object: KubeObject) => number;
  /** Where `scale` finds and puts its numbers. */
  readonly scale?: {
    readonly specReplicas: (object: KubeObject) => number;
    readonly withReplicas: (object: KubeObject, replicas: number) => KubeObject;
    readonly statusReplicas: (object: KubeObject) => number;
    readonly selector: (object: KubeObject) => string;
  };
  /** Metadata name rule: DNS subdomain (default), DNS label, or path segment. */
  readonly nameRule?: 'subdomain' | 'label' | 'label-1035' | 'path-segment';
  /** Where a webhook converts between the versions of a custom kind; see `custom/conversion.ts`. */
  readonly conversion?: Conversion;
  /** Another version of the kind, for the same request, where this is one for a single request. */
  readonly scoped?: (other: Resource) => Resource;
  /** Where another group-version of the same objects is the one that is stored; see `storage.ts`. */
  readonly storage?: Storage;
  /** True where metadata.generation is kept (kinds with a spec and a controller). */
  readonly hasGeneration: boolean;
}
