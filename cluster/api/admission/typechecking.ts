// What a policy's expressions look like against the kinds that it names: at run time objects are of no type
// (dyn), and a field that is misspelt is found out only by a write. Nothing here changes what a policy does.
//
// Source of facts: Kubernetes, "Validating Admission Policy: Type checking"; k8s.io/apiserver
// pkg/admission/plugin/policy/validating/typechecking.go (which kinds, in which order, messages).
// What always holds: no kind that is named by a wildcard is looked at, and of the others so many and no more;
// what has no schema, and what may be of several types, may be anything.

import { limits } from '../../limits.ts';
import type { State } from '../../state/state.ts';
import { compile, isProgram } from '../cel/compile.ts';
import type { Environment } from '../cel/check.ts';
import { errorText } from '../cel/errors.ts';
import { escaped } from '../cel/schematypes.ts';
import { listOf, mapOf, types } from '../cel/types.ts';
import type { CelType, ObjectType } from '../cel/types.ts';
import { registryOf } from '../registry.ts';
import type { Resource, Schema } from '../resource.ts';
import { compileVariables, environmentOf } from './expressions.ts';
import type { Declared } from './expressions.ts';
import type { ValidatingPolicy } from './validating.ts';

export interface ExpressionWarning { readonly fieldRef: string; readonly warning: string }

export function expressionWarnings({ spec }: ValidatingPolicy, state: State): readonly ExpressionWarning[] {
  const kinds = kindsOf(spec, state), { paramKind, variables = [] } = spec;
  const params = paramKind === undefined ? null
    : registryOf(state).byKind(paramKind.apiVersion ?? '', paramKind.kind ?? '');
  const against = kinds.map((kind) => {
    const declared: Omit<Declared, 'variables'> = {
      params: paramKind !== undefined, authorizer: true, object: typeOfKind(kind),
      ...params === null ? {} : { param: typeOfKind(params) },
    };
    const { types: composed } = compileVariables(variables, declared);
    return { kind, environment: environmentOf({ ...declared, variables: composed }) };
  });
  const warnings: ExpressionWarning[] = [];
  for (const [at, { expression, messageExpression = '' }] of (spec.validations ?? []).entries()) {
    const path = `spec.validations[${at}]`;
    for (const [field, text] of [['expression', expression], ['messageExpression', messageExpression]]) {
      const found = text === undefined || text === '' ? []
        : against.flatMap(({ kind, environment }) => complaint(text, kind, environment));
      if (found.length > 0) warnings.push({ fieldRef: `${path}.${field}`, warning: found.join('\n') });
    }
  }
  return warnings;
}

function complaint(expression: string, kind: Resource, environment: Environment): readonly string[] {
  const compiled = compile(expression, environment);
  return isProgram(compiled) ? [] : [`${nameOf(kind)}: ${errorText(expression, compiled)}\n`];
}

/** As Go prints a kind: `/v1, Kind=Pod`, `apps/v1, Kind=Deployment`. */
const nameOf = ({ group, version, kind }: Resource): string => `${group}/${version}, Kind=${kind}`;

/** Each once, by group, version and kind. */
function kindsOf(spec: ValidatingPolicy['spec'], state: State): readonly Resource[] {
  const registry = registryOf(state), found = new Map<string, Resource>();
  const plain = (names: readonly string[] = []): readonly string[] =>
    names.some((name) => name.includes('*')) ? [] : names;
  for (const { apiGroups, apiVersions, resources } of spec.matchConstraints?.resourceRules ?? []) {
    for (const group of plain(apiGroups)) {
      for (const version of plain(apiVersions)) {
        for (const resource of plain(resources)) {
          // A subresource may be of another kind.
          const kind = resource.includes('/') ? null : registry.find(group, version, resource);
          if (kind !== null) found.set([group, version, kind.kind].join('\0'), kind);
        }
      }
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, kind]) => kind)
    .slice(0, limits.typesCheckedMax);
}

// ── types ────────────────────────────────────────────────────────────────────────────────────────────────

/** By the kind, so that a type stays the same one. */
const known = new WeakMap<Resource, CelType>();

function typeOfKind(kind: Resource): CelType {
  let type = known.get(kind);
  if (type === undefined) known.set(kind, type = typeOf(kind.schema, nameOf(kind)));
  return type;
}

/** `name`: for what has none of its own, for types are told apart by theirs. */
function typeOf(schema: Schema, name: string): CelType {
  switch (schema.type) {
    case 'string': return types.string;
    case 'boolean': return types.bool;
    case 'number': return types.double;
    case 'integer': return types.int;
    case 'bytes': return types.bytes;
    case 'time': return types.timestamp;
    case 'list': return listOf(typeOf(schema.of, `${name}.@items`));
    case 'map': return mapOf(types.string, typeOf(schema.of, `${name}.@values`));
    case 'object': return schema.others === undefined ? objectOf(schema, schema.name ?? name) : types.dyn;
    case 'quantity': case 'int-or-string': case 'any': return types.dyn;
  }
}

/** Fields are made when they are asked for: a type may contain itself. */
function objectOf({ fields }: Extract<Schema, { readonly type: 'object' }>, name: string): ObjectType {
  let byEscape: Map<string, string> | null = null;
  return {
    kind: 'object', name,
    field(asked) {
      byEscape ??= new Map(Object.keys(fields).map((field) => [escaped(field) ?? field, field]));
      const field = Object.hasOwn(fields, asked) ? asked : byEscape.get(asked);
      const schema = field === undefined ? undefined : fields[field];
      return schema === undefined ? null : typeOf(schema, `${name}.${field}`);
    },
  };
}
