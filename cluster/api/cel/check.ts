// Types before values: every name, field and function of an expression is looked up once, and what can't
// work is said with its place, before anything is evaluated.
//
// Source of facts: cel-spec langdef.md (gradual type checking), the messages of cel-go's checker and of the
// validators that Kubernetes switches on (literals of lists and maps have one type; literal patterns, times
// and durations are sound).
// What always holds: what the checker accepts may still fail at run time, for `dyn` is everything.

import type { Bound, Call, Expr, Loop } from './ast.ts';
import type { CelError } from './errors.ts';
import type { Overload } from './functions.ts';
import { literalProblem } from './literals.ts';
import { listOf, mapOf, optionalOf, typeNames, types, typeText } from './types.ts';
import type { CelType, ObjectType } from './types.ts';
import { Unifier } from './unify.ts';
import { Uint } from './values.ts';

/** Functions by name; those with a receiver under `.name`. */
export type FunctionTable = ReadonlyMap<string, readonly Overload[]>;

export interface Environment {
  readonly variables: ReadonlyMap<string, CelType>;
  readonly functions: FunctionTable;
  /** Objects that an expression may make: `Object.spec{replicas: 1}`. */
  readonly objectNamed?: (name: string) => ObjectType | null;
}

/** What the evaluator needs to know of a call. */
export interface Resolved { readonly overloads: readonly Overload[]; readonly args: readonly Expr[] }

export interface Checked {
  readonly type: CelType;
  readonly calls: ReadonlyMap<Expr, Resolved>;
  /** Names (also dotted ones) that stand for a type. */
  readonly typeValues: ReadonlyMap<Expr, string>;
  /** Selections that are a variable's name with dots in it: `authorizer.requestResource`. */
  readonly dotted: ReadonlyMap<Expr, string>;
  /** The variables of the environment that are spoken of. */
  readonly used: ReadonlySet<string>;
  readonly errors: readonly CelError[];
}

export function check(expr: Expr, environment: Environment): Checked {
  const checker = new Checker(environment);
  const type = checker.unifier.settled(checker.check(expr)),
    { calls, typeValues, dotted, used, errors } = checker;
  return { type, calls, typeValues, dotted, used, errors };
}

type Scope = ReadonlyMap<string, CelType>;

class Checker {
  readonly unifier = new Unifier();
  readonly errors: CelError[] = [];
  readonly calls = new Map<Expr, Resolved>();
  readonly typeValues = new Map<Expr, string>();
  readonly dotted = new Map<Expr, string>();
  readonly used = new Set<string>();
  readonly #environment: Environment;
  #scopes: readonly Scope[] = [];
  #mixed = false;

  constructor(environment: Environment) { this.#environment = environment; }

  check(expr: Expr): CelType {
    switch (expr.type) {
      case 'const': return constType(expr.value);
      case 'name': return this.#named(expr, expr.name);
      case 'select': return this.#select(expr);
      case 'has': this.#field(this.check(expr.of), expr.field, expr.at); return types.bool;
      case 'index': return this.#index(expr);
      case 'call': return this.#call(expr);
      case 'all': case 'any': for (const arg of expr.args) this.#wantBool(arg); return types.bool;
      case 'choice': return this.#choice(expr);
      case 'list': return this.#list(expr);
      case 'map': return this.#map(expr);
      case 'object': return this.#object(expr);
      case 'loop': return this.#loop(expr);
      case 'optMap': return this.#optMap(expr);
    }
  }

  // ── names and fields ───────────────────────────────────────────────────────────────────────────────────

  #named(expr: Expr, name: string): CelType {
    const found = this.#lookup(name);
    if (found !== null) return found;
    if (Object.hasOwn(typeNames, name)) {
      this.typeValues.set(expr, name);
      return { kind: 'type', of: typeNames[name] ?? null };
    }
    return this.#undeclared(expr.at, name);
  }

  #lookup(name: string): CelType | null {
    for (const scope of this.#scopes) {
      const found = scope.get(name);
      if (found !== undefined) return found;
    }
    const found = this.#environment.variables.get(name);
    if (found !== undefined) this.used.add(name);
    return found ?? null;
  }

  #undeclared(at: number, name: string): CelType {
    return this.#fail(at, `undeclared reference to '${name}' (in container '')`);
  }

  #select(expr: Expr & { type: 'select' }): CelType {
    const dotted = dottedName(expr);
    if (dotted !== null && Object.hasOwn(typeNames, dotted) && this.#lookup(headOf(dotted)) === null) {
      return this.#named(expr, dotted);
    }
    const variable = dotted === null ? undefined : this.#environment.variables.get(dotted);
    if (dotted !== null && variable !== undefined) {
      this.dotted.set(expr, dotted);
      return variable;
    }
    const of = this.unifier.known(this.check(expr.of));
    if (!expr.optional) return this.#field(of, expr.field, expr.at);
    const inner = of.kind === 'optional' ? of.of : of;
    const field = this.unifier.known(this.#field(inner, expr.field, expr.at));
    return field.kind === 'error' ? field : optionalOf(field);
  }

  #field(type: CelType, field: string, at: number): CelType {
    const of = this.unifier.known(type);
    switch (of.kind) {
      case 'dyn': case 'error': return of;
      case 'free': return types.dyn;
      case 'map': return of.value;
      case 'optional': {
        const inner = this.#field(of.of, field, at);
        return inner.kind === 'error' ? inner : optionalOf(inner);
      }
      case 'object': return of.field(field) ?? this.#fail(at, `undefined field '${field}'`);
      default:
        return this.#fail(at, `type '${this.#text(of)}' does not support field selection`);
    }
  }

  #index(expr: Expr & { type: 'index' }): CelType {
    const of = this.unifier.known(this.check(expr.of)), index = this.check(expr.index);
    const outer = of.kind === 'optional', inner = outer ? this.unifier.known(of.of) : of;
    const found = this.#item(inner, index);
    if (found === null) {
      const name = expr.optional ? '_[?_]' : '_[_]';
      return this.#noOverload(expr.at, name, [of, index], false);
    }
    if (!expr.optional) return outer ? optionalOf(found) : found;
    return inner.kind !== 'dyn' ? optionalOf(found) : outer ? optionalOf(this.unifier.free()) : inner;
  }

  #item(of: CelType, index: CelType): CelType | null {
    switch (of.kind) {
      case 'dyn': case 'error': return of;
      case 'free': return types.dyn;
      case 'list': return this.unifier.assign([types.int], [index]) ? of.of : null;
      case 'map': return this.unifier.assign([of.key], [index]) ? of.value : null;
      default: return null;
    }
  }

  // ── calls ──────────────────────────────────────────────────────────────────────────────────────────────

  #call(expr: Call): CelType {
    const { functions } = this.#environment, dotted = expr.target === null ? null : dottedName(expr.target);
    const qualified = dotted === null ? expr.name : `${dotted}.${expr.name}`;
    const asGlobal = expr.target === null || (dotted !== null && functions.has(qualified));
    const args = asGlobal ? expr.args : [expr.target as Expr, ...expr.args];
    const given = this.#arguments(args, !asGlobal && expr.name === 'format');
    const overloads = functions.get(asGlobal ? qualified : `.${expr.name}`);
    if (overloads === undefined) return this.#undeclared(expr.at, asGlobal ? qualified : expr.name);
    const wrong = literalProblem(expr.name, args, expr.at);
    if (wrong !== null) return this.#fail(wrong.at, wrong.message);
    const fitting: Overload[] = [];
    let result: CelType | null = null;
    for (const overload of overloads) {
      const { params, result: type } = this.unifier.fresh(overload);
      if (!this.unifier.assign(params, given)) continue;
      fitting.push(overload);
      const settled = this.unifier.known(type);
      result = result === null
        || typeText(this.unifier.settled(result)) === typeText(this.unifier.settled(settled))
        ? settled : types.dyn;
    }
    if (result === null) {
      const name = asGlobal ? qualified : expr.name;
      return given.some((type) => type.kind === 'error') ? types.error
        : this.#noOverload(expr.at, name, given, !asGlobal);
    }
    this.calls.set(expr, { overloads: fitting, args });
    return result;
  }

  /** What is to be formatted may be of any types. */
  #arguments(args: readonly Expr[], mixed: boolean): readonly CelType[] {
    const outer = this.#mixed;
    this.#mixed ||= mixed;
    const given = args.map((arg) => this.check(arg));
    this.#mixed = outer;
    return given;
  }

  #noOverload(at: number, name: string, given: readonly CelType[], member: boolean): CelType {
    const shown = given.map((type) => this.#text(type));
    const applied = member ? `${shown[0] ?? ''}.(${shown.slice(1).join(', ')})` : `(${shown.join(', ')})`;
    return this.#fail(at, `found no matching overload for '${name}' applied to '${applied}'`);
  }

  #choice({ at, condition, then, other }: Expr & { type: 'choice' }): CelType {
    const given = [condition, then, other].map((part) => this.check(part));
    const [first = types.dyn, second = types.dyn, third = types.dyn] = given;
    const joined = this.unifier.assign([types.bool], [first]) ? this.unifier.join(second, third) : null;
    return joined ?? this.#noOverload(at, '_?_:_', given, false);
  }

  #wantBool(expr: Expr): void {
    const type = this.check(expr);
    if (!this.unifier.assign([types.bool], [type])) this.#expected(expr.at, types.bool, type);
  }

  // ── literals ───────────────────────────────────────────────────────────────────────────────────────────

  #list({ items }: Expr & { type: 'list' }): CelType {
    let of: CelType | null = null;
    for (const { value, optional } of items) {
      const type = optional ? this.#inOptional(value) : this.check(value);
      of = of === null ? type : this.#same(of, type, value.at);
    }
    return listOf(of ?? this.unifier.free());
  }

  #map({ entries }: Expr & { type: 'map' }): CelType {
    let keys: CelType | null = null, values: CelType | null = null;
    for (const { key, value, optional } of entries) {
      const keyType = this.check(key);
      keys = keys === null ? keyType : this.#same(keys, keyType, key.at);
      const type = optional ? this.#inOptional(value) : this.check(value);
      values = values === null ? type : this.#same(values, type, value.at);
    }
    return mapOf(keys ?? this.unifier.free(), values ?? this.unifier.free());
  }

  /** Literals of lists and maps are of one type. */
  #same(known: CelType, type: CelType, at: number): CelType {
    const joined = this.unifier.join(known, type);
    if (this.#mixed) return joined ?? types.dyn;
    if (joined !== null && (joined.kind === 'error' || this.#text(known) === this.#text(type))) return joined;
    return type.kind === 'error' ? type : this.#expected(at, known, type);
  }

  #inOptional(expr: Expr): CelType {
    const type = this.unifier.known(this.check(expr));
    if (type.kind === 'optional') return type.of;
    return type.kind === 'dyn' || type.kind === 'error' ? type
      : this.#expected(expr.at, optionalOf(type), type);
  }

  #object({ at, name, fields }: Expr & { type: 'object' }): CelType {
    const type = this.#environment.objectNamed?.(name) ?? null;
    if (type === null) return this.#undeclared(at, name);
    for (const field of fields) {
      const wanted = type.field(field.name);
      const given = field.optional ? this.#inOptional(field.value) : this.check(field.value);
      if (wanted === null) this.#fail(field.at, `undefined field '${field.name}'`);
      else if (!this.unifier.assign([wanted], [given])) {
        this.#fail(
          field.at, `expected type of field '${field.name}' is '${this.#text(wanted)}' but provided type `
          + `is '${this.#text(given)}'`);
      }
    }
    return type;
  }

  // ── loops ──────────────────────────────────────────────────────────────────────────────────────────────

  #loop(expr: Loop): CelType {
    const over = this.unifier.known(this.check(expr.over));
    const [key, item] = this.#ranged(over, expr);
    const [first = '', second] = expr.names;
    const scope = new Map(second === undefined ? [[first, over.kind === 'map' ? key : item]]
      : [[first, key], [second, item]]);
    return this.#within(scope, () => {
      const { body, at } = expr, filter = expr.filter === null ? types.bool : this.check(expr.filter);
      switch (expr.kind) {
        case 'all': case 'exists': this.#wantBool(body); return types.bool;
        case 'existsOne': return this.#decides(this.check(body), types.int, at, types.bool);
        case 'filter': {
          const list = listOf(over.kind === 'map' ? key : item);
          return this.#decides(this.check(body), list, at, list);
        }
        case 'map': case 'transformList': {
          const list = listOf(this.check(body));
          return this.#decides(filter, list, at, list);
        }
        case 'transformMap': {
          const map = mapOf(key, this.check(body));
          return this.#decides(filter, map, at, map);
        }
        case 'transformMapEntry': {
          const map = this.#entry(body);
          return this.#decides(filter, map, at, map);
        }
      }
    });
  }

  /** The loop that the macro stands for has a `?:` with this condition. */
  #decides(condition: CelType, gathered: CelType, at: number, result: CelType): CelType {
    if (this.unifier.assign([types.bool], [condition])) return result;
    return this.#noOverload(at, '_?_:_', [condition, gathered, gathered], false);
  }

  #entry(body: Expr): CelType {
    const type = this.unifier.known(this.check(body));
    if (type.kind === 'map' || type.kind === 'error') return type;
    return type.kind === 'dyn' ? mapOf(types.dyn, types.dyn)
      : this.#noOverload(body.at, 'cel.@mapInsert', [mapOf(types.dyn, types.dyn), type], false);
  }

  #ranged(over: CelType, expr: Loop): readonly [CelType, CelType] {
    switch (over.kind) {
      case 'list': return [types.int, over.of];
      case 'map': return [over.key, over.value];
      case 'dyn': case 'error': case 'free': return [types.dyn, types.dyn];
      default:
        this.#fail(
          expr.over.at, `expression of type '${this.#text(over)}' cannot be range of a comprehension `
          + '(must be list, map, or dynamic)');
        return [types.error, types.error];
    }
  }

  #optMap(expr: Bound): CelType {
    const of = this.unifier.known(this.check(expr.of));
    const inner = of.kind === 'optional' ? of.of : types.dyn;
    if (of.kind !== 'optional' && of.kind !== 'dyn' && of.kind !== 'error') {
      this.#noOverload(expr.at, 'hasValue', [of], true);
      return this.#noOverload(expr.at, 'value', [of], true);
    }
    const body = this.unifier.known(this.#within(new Map([[expr.name, inner]]), () => this.check(expr.body)));
    if (!expr.flat) return optionalOf(body);
    if (body.kind === 'optional' || body.kind === 'dyn' || body.kind === 'error') return body;
    return this.#noOverload(expr.at, '_?_:_', [types.bool, body, optionalOf(types.dyn)], false);
  }

  #within<T>(scope: Scope, inside: () => T): T {
    const outer = this.#scopes;
    this.#scopes = [scope, ...outer];
    const result = inside();
    this.#scopes = outer;
    return result;
  }

  // ── messages ───────────────────────────────────────────────────────────────────────────────────────────

  #text(type: CelType): string { return typeText(this.unifier.settled(type)); }

  #expected(at: number, wanted: CelType, found: CelType): CelType {
    return this.#fail(at, `expected type '${this.#text(wanted)}' but found '${this.#text(found)}'`);
  }

  #fail(at: number, message: string): CelType {
    this.errors.push({ at, message });
    return types.error;
  }
}

/** `a.b.c` of names and plain selections; null for anything else. */
export function dottedName(expr: Expr): string | null {
  if (expr.type === 'name') return expr.name;
  if (expr.type !== 'select' || expr.optional) return null;
  const of = dottedName(expr.of);
  return of === null ? null : `${of}.${expr.field}`;
}

const headOf = (dotted: string): string => dotted.slice(0, dotted.indexOf('.'));

function constType(value: (Expr & { type: 'const' })['value']): CelType {
  switch (typeof value) {
    case 'bigint': return types.int;
    case 'number': return types.double;
    case 'string': return types.string;
    case 'boolean': return types.bool;
    default: return value === null ? types.null : value instanceof Uint ? types.uint : types.bytes;
  }
}
