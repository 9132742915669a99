// Whether a CustomResourceDefinition may be as it is: its names, its versions, their schemas, subresources
// and columns; and what of it may never change.
//
// What always holds: a definition that passes can be served as it stands: each version's schema is
// structural, each pattern compiles, and exactly one version is the stored one.
// Source: apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go (rules and messages);
// pkg/apihelpers (protected groups).

import { sameContent } from '../../canonical.ts';
import { nameError } from '../names.ts';
import { validateClient, validateReviewVersions } from '../resources/admissionvalidate.ts';
import { forbidden, invalid, oneOf, required } from '../resources/validate.ts';
import type { Errors } from '../resources/validate.ts';
import type { KubeObject, StatusCause } from '../types.ts';
import { isTrue } from './definition.ts';
import type {
  CustomNames, CustomResourceDefinition, CustomVersion, JsonSchema, PrinterColumn, ScalePaths,
} from './definition.ts';
import { approvalOf } from './approval.ts';
import { parsePath } from './jsonpath.ts';
import { defaultErrors, schemaErrors } from './rules.ts';
import { selectableErrors } from './selectable.ts';
import { structuralCauses } from './structural.ts';

export function validateDefinition(object: KubeObject, old: KubeObject | null): readonly StatusCause[] {
  const definition = object as CustomResourceDefinition, before = old as CustomResourceDefinition | null;
  const errors: Errors = [];
  if (before === null) nameMatches(errors, definition);
  specErrors(errors, definition, before);
  namesErrors(errors, definition.status?.acceptedNames ?? {}, 'status.acceptedNames');
  storedErrors(errors, definition);
  approvalErrors(errors, definition, before);
  const kept = before?.spec.preserveUnknownFields === true;
  if (definition.spec.preserveUnknownFields === true && !kept) {
    invalid(errors, 'spec.preserveUnknownFields', true, 'cannot set to true, set '
      + 'x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead');
  }
  return errors;
}

/** Of a write to the status nothing but the names is judged. */
export function validateDefinitionStatus(object: KubeObject): readonly StatusCause[] {
  const errors: Errors = [];
  const { status } = object as CustomResourceDefinition;
  namesErrors(errors, status?.acceptedNames ?? {}, 'status.acceptedNames');
  return errors;
}

function nameMatches(errors: Errors, { metadata, spec }: CustomResourceDefinition): void {
  if (metadata.name === `${spec.names.plural ?? ''}.${spec.group ?? ''}`) return;
  invalid(errors, 'metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group');
}

function specErrors(
  errors: Errors, definition: CustomResourceDefinition, before: CustomResourceDefinition | null,
): void {
  const { spec } = definition, { group = '' } = spec;
  if (group === '') required(errors, 'spec.group');
  else {
    const wrong = nameError(group, 'subdomain');
    if (wrong !== null) invalid(errors, 'spec.group', group, wrong);
    else if (!group.includes('.')) {
      invalid(errors, 'spec.group', group, 'should be a domain with at least one dot');
    }
  }
  oneOf(errors, 'spec.scope', spec.scope, ['Cluster', 'Namespaced']);
  for (const [at, version] of spec.versions.entries()) {
    if (version.schema?.openAPIV3Schema === undefined) {
      required(errors, `spec.versions[${at}].schema.openAPIV3Schema`);
    }
  }
  versionsErrors(errors, spec.versions, before?.spec.versions ?? []);
  for (const name of ['plural', 'singular', 'kind', 'listKind'] as const) {
    if ((spec.names[name] ?? '') === '') required(errors, `spec.names.${name}`);
  }
  namesErrors(errors, spec.names, 'spec.names');
  conversionErrors(errors, spec.conversion);
  if (before === null) return;
  const fixed = (field: string, value: unknown, old: unknown): void => {
    if (value !== old) invalid(errors, field, value ?? '', 'field is immutable');
  };
  if (isTrue(before, 'Established')) {
    fixed('spec.scope', spec.scope, before.spec.scope);
    fixed('spec.names.kind', spec.names.kind, before.spec.names.kind);
  }
  fixed('spec.group', spec.group, before.spec.group);
  fixed('spec.names.plural', spec.names.plural, before.spec.names.plural);
}

function versionsErrors(
  errors: Errors, versions: readonly CustomVersion[], before: readonly CustomVersion[],
): void {
  for (const [at, version] of versions.entries()) {
    const path = `spec.versions[${at}]`, wrong = nameError(version.name, 'label-1035');
    if (wrong !== null) invalid(errors, `${path}.name`, version.name, wrong);
    const old = before.find(({ name }) => name === version.name);
    versionErrors(errors, version, old, path);
  }
  const shared = new Set(versions.map(({ name }) => name)).size < versions.length;
  if (shared) invalid(errors, 'spec.versions', versions, 'must contain unique version names');
  if (versions.filter(({ storage }) => storage === true).length !== 1) {
    invalid(errors, 'spec.versions', versions, 'must have exactly one version marked as storage version');
  }
}

function versionErrors(
  errors: Errors, version: CustomVersion, old: CustomVersion | undefined, path: string,
): void {
  const { deprecated, deprecationWarning, subresources, additionalPrinterColumns = [] } = version;
  for (const why of deprecationErrors(deprecated === true, deprecationWarning)) {
    invalid(errors, `${path}.deprecationWarning`, deprecationWarning, why);
  }
  const schema = version.schema?.openAPIV3Schema;
  // What is stored already was found right, and may be large.
  if (schema !== undefined && (old === undefined || !sameContent(old.schema, version.schema))) {
    schemaErrorsOf(errors, schema, subresources?.status !== undefined, `${path}.schema.openAPIV3Schema`);
  }
  if (subresources?.scale !== undefined) {
    scaleErrors(errors, subresources.scale, `${path}.subresources.scale`);
  }
  for (const [at, column] of additionalPrinterColumns.entries()) {
    columnErrors(errors, column, `${path}.additionalPrinterColumns[${at}]`);
  }
  selectableErrors(errors, version.selectableFields ?? [], schema, `${path}.selectableFields`);
}

function deprecationErrors(deprecated: boolean, warning: string | undefined): readonly string[] {
  if (warning === undefined) return [];
  if (!deprecated) return ['can only be set for deprecated versions'];
  const odd = [...warning].findIndex((letter) => /[\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(letter));
  return [
    ...warning.length > 256 ? ['must be <= 256 characters long'] : [],
    ...warning === '' ? ['must not be an empty string'] : [],
    ...odd < 0 ? []
      : [`must only contain printable UTF-8 characters; non-printable character found at index ${odd}`],
  ];
}

// ── schemas ──────────────────────────────────────────────────────────────────────────────────────────────

/** Kubernetes tells of them by the names that its own structure gives them. */
const atRoot: Readonly<Record<string, string>> = {
  description: 'Description', type: 'Type', format: 'Format', title: 'Title', maximum: 'Maximum',
  exclusiveMaximum: 'ExclusiveMaximum', minimum: 'Minimum', exclusiveMinimum: 'ExclusiveMinimum',
  maxLength: 'MaxLength', minLength: 'MinLength', pattern: 'Pattern', maxItems: 'MaxItems',
  minItems: 'MinItems', uniqueItems: 'UniqueItems', multipleOf: 'MultipleOf', required: 'Required',
  items: 'Items', properties: 'Properties', externalDocs: 'ExternalDocs', example: 'Example',
  'x-kubernetes-preserve-unknown-fields': 'XPreserveUnknownFields',
  'x-kubernetes-validations': 'XValidations',
};

function schemaErrorsOf(errors: Errors, schema: JsonSchema, hasStatus: boolean, path: string): void {
  const found: Errors = [];
  if (hasStatus) {
    if ((schema.type ?? '') !== '' && schema.type !== 'object') {
      invalid(found, `${path}.type`, schema.type, 'only "object" is allowed as the type at the root of the '
        + 'schema if the status subresource is enabled');
    } else if (Object.keys(schema).some((field) => !Object.hasOwn(atRoot, field))) {
      invalid(found, path, schema, `only [${Object.values(atRoot).join(' ')}] fields are allowed at the root `
        + 'of the schema if the status subresource is enabled');
    }
  }
  if (schema.nullable === true) forbidden(found, `${path}.nullable`, 'nullable cannot be true at the root');
  const structural = structuralCauses(schema, path);
  found.push(...structural);
  if (structural.length === 0) defaultErrors(found, schema, path);
  schemaErrors(found, schema, path);
  errors.push(...found);
}

function scaleErrors(errors: Errors, scale: ScalePaths, path: string): void {
  const check = (name: keyof ScalePaths, under: readonly string[], words: string): void => {
    const text = scale[name] ?? '', field = `${path}.${name}`;
    if (text === '') {
      if (name !== 'labelSelectorPath') required(errors, field);
    } else if (!simplePath(errors, text, field)) return;
    else if (!under.some((prefix) => text.startsWith(prefix))) {
      invalid(errors, field, text, `should be a json path under ${words}`);
    }
  };
  check('specReplicasPath', ['.spec.'], '.spec');
  check('statusReplicasPath', ['.status.'], '.status');
  check('labelSelectorPath', ['.spec.', '.status.'], 'either .spec or .status');
}

function simplePath(errors: Errors, text: string, field: string): boolean {
  if (text.startsWith('.')) return true;
  invalid(errors, field, text, 'must be a simple json path starting with .');
  return false;
}

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];
const columnFormats = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password'];

function columnErrors(errors: Errors, column: PrinterColumn, path: string): void {
  const { name = '', type = '', format = '', jsonPath = '' } = column;
  if (name === '') required(errors, `${path}.name`);
  const ofTypes = `must be one of ${columnTypes.join(',')}`;
  if (type === '') required(errors, `${path}.type`, ofTypes);
  else if (!columnTypes.includes(type)) invalid(errors, `${path}.type`, type, ofTypes);
  if (format !== '' && !columnFormats.includes(format)) {
    invalid(errors, `${path}.format`, format, `must be one of ${columnFormats.join(',')}`);
  }
  if (jsonPath === '') required(errors, `${path}.JSONPath`);
  else if (simplePath(errors, jsonPath, `${path}.JSONPath`) && parsePath(jsonPath) === null) {
    invalid(errors, `${path}.JSONPath`, jsonPath,
      `unrecognized column definition ${JSON.stringify(jsonPath)}`);
  }
}

// ── names, stored versions, conversion, approval ─────────────────────────────────────────────────────────

function namesErrors(errors: Errors, names: CustomNames, path: string): void {
  const label = (field: string, value: string, isMixed: boolean): void => {
    if (value === '') return;
    const wrong = nameError(isMixed ? value.toLowerCase() : value, 'label-1035');
    if (wrong === null) return;
    const why = isMixed ? `may have mixed case, but should otherwise match: ${wrong}` : wrong;
    invalid(errors, `${path}.${field}`, value, why);
  };
  const { plural = '', singular = '', kind = '', listKind = '', shortNames = [], categories = [] } = names;
  label('plural', plural, false);
  label('singular', singular, false);
  label('kind', kind, true);
  label('listKind', listKind, true);
  for (const [at, name] of shortNames.entries()) label(`shortNames[${at}]`, name, false);
  if (kind !== '' && kind === listKind) {
    invalid(errors, `${path}.listKind`, listKind, 'kind and listKind may not be the same');
  }
  for (const [at, name] of categories.entries()) label(`categories[${at}]`, name, false);
}

function storedErrors(errors: Errors, { spec, status }: CustomResourceDefinition): void {
  const stored = status?.storedVersions ?? [], path = 'status.storedVersions';
  if (stored.length === 0) return invalid(errors, path, [], 'must have at least one stored version');
  for (const { name, storage } of spec.versions) {
    if (storage === true && !stored.includes(name)) {
      invalid(errors, path, stored, `must have the storage version ${name}`);
    }
  }
  for (const [at, name] of stored.entries()) {
    if (spec.versions.some((version) => version.name === name)) continue;
    invalid(errors, `${path}[${at}]`, name, `missing from spec.versions; ${name} was previously a storage `
      + 'version, and must remain in spec.versions until a storage migration ensures no data remains '
      + `persisted in ${name} and removes ${name} from status.storedVersions`);
  }
}

function conversionErrors(errors: Errors, conversion: CustomResourceDefinition['spec']['conversion']): void {
  const strategy = conversion?.strategy ?? '', path = 'spec.conversion';
  if (conversion === undefined) return;
  if (strategy === 'Webhook') {
    const { clientConfig, conversionReviewVersions = [] } = conversion.webhook ?? {};
    const client = `${path}.webhookClientConfig`;
    if (clientConfig === undefined) required(errors, client, 'required when strategy is set to Webhook');
    else validateClient(errors, clientConfig, client);
    return validateReviewVersions(errors, conversionReviewVersions, `${path}.conversionReviewVersions`);
  }
  oneOf(errors, `${path}.strategy`, strategy, ['None', 'Webhook']);
  if (conversion.webhook?.clientConfig !== undefined) {
    forbidden(errors, `${path}.webhookClientConfig`, 'should not be set when strategy is not set to Webhook');
  }
  if ((conversion.webhook?.conversionReviewVersions ?? []).length > 0) {
    forbidden(errors, `${path}.conversionReviewVersions`,
      'should not be set when strategy is not set to Webhook');
  }
}

function approvalErrors(
  errors: Errors, definition: CustomResourceDefinition, before: CustomResourceDefinition | null,
): void {
  const now = approvalOf(definition), then = before === null ? null : approvalOf(before);
  if (now === null || (then !== null && then.state === now.state)) return;
  const path = 'metadata.annotations[api-approved.kubernetes.io]';
  if (now.state === 'missing') required(errors, path, now.reason);
  if (now.state === 'invalid') invalid(errors, path, now.annotation, now.reason);
}
