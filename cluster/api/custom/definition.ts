// A CustomResourceDefinition as a type: the fields that the code reads. What else it holds is kept as it
// came.
// Source: Kubernetes API reference, apiextensions.k8s.io/v1.
//
// What always holds: a definition in the state has passed `validate.ts`, so its schemas are structural; one
// in the hands of the validation may be any JSON of the types that the tables of the kinds give its fields.

import type { Json } from '../body.ts';
import type { ClientConfig } from '../callout/target.ts';
import type { Condition, KubeObject } from '../types.ts';

/** JSONSchemaProps. */
export interface JsonSchema {
  readonly type?: string;
  readonly format?: string;
  readonly title?: string;
  readonly description?: string;
  readonly default?: Json;
  readonly example?: Json;
  readonly enum?: readonly Json[];
  readonly nullable?: boolean;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly allOf?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly not?: JsonSchema;
  readonly maximum?: number;
  readonly exclusiveMaximum?: boolean;
  readonly minimum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly multipleOf?: number;
  readonly maxLength?: number;
  readonly minLength?: number;
  readonly pattern?: string;
  readonly maxItems?: number;
  readonly minItems?: number;
  readonly uniqueItems?: boolean;
  readonly maxProperties?: number;
  readonly minProperties?: number;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-embedded-resource'?: boolean;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: string;
  readonly 'x-kubernetes-validations'?: readonly ValidationRule[];
}

export interface ValidationRule {
  readonly rule?: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: string;
  readonly fieldPath?: string;
  readonly optionalOldSelf?: boolean;
}

export interface PrinterColumn {
  readonly name?: string; readonly type?: string; readonly format?: string; readonly description?: string;
  readonly priority?: number; readonly jsonPath?: string;
}

export interface ScalePaths {
  readonly specReplicasPath?: string; readonly statusReplicasPath?: string;
  readonly labelSelectorPath?: string;
}

export interface CustomVersion {
  readonly name: string;
  readonly served?: boolean;
  readonly storage?: boolean;
  readonly deprecated?: boolean;
  readonly deprecationWarning?: string;
  readonly schema?: { readonly openAPIV3Schema?: JsonSchema };
  readonly subresources?: { readonly status?: object; readonly scale?: ScalePaths };
  readonly additionalPrinterColumns?: readonly PrinterColumn[];
  readonly selectableFields?: readonly { readonly jsonPath?: string }[];
}

export interface CustomNames {
  readonly plural?: string; readonly singular?: string; readonly kind?: string; readonly listKind?: string;
  readonly shortNames?: readonly string[]; readonly categories?: readonly string[];
}

export interface CustomResourceDefinition extends KubeObject {
  readonly spec: {
    readonly group?: string;
    readonly scope?: string;
    readonly names: CustomNames;
    readonly versions: readonly CustomVersion[];
    readonly preserveUnknownFields?: boolean;
    readonly conversion?: {
      readonly strategy?: string;
      readonly webhook?: { readonly clientConfig?: ClientConfig;
        readonly conversionReviewVersions?: readonly string[] };
    };
  };
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly acceptedNames?: CustomNames;
    readonly storedVersions?: readonly string[];
  };
}

export const definitionName =
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition';

/** Keeps the definition until its instances are gone. */
export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io';

export const isTrue = ({ status }: CustomResourceDefinition, type: string): boolean =>
  status?.conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;

export const storageVersionOf = ({ spec }: CustomResourceDefinition): CustomVersion | null =>
  spec.versions.find(({ storage }) => storage === true) ?? null;

/** Every object has these; a schema need not speak of them. */
export const metaFields: readonly string[] = ['apiVersion', 'kind', 'metadata'];
