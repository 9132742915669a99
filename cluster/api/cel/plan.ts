// From a checked tree to closures that evaluate it: one per node, made once, run for every request.
//
// Source of facts: cel-spec langdef.md (evaluation; errors and logical operators), cel-go interpreter for
// messages, and its runtimecost.go for what each node is charged: macros as if unfolded to loops.
// What always holds: every node is charged before or right after it is evaluated; when the meter is out,
// nothing takes the place of the error that says so.

import type { Bound, Call, Expr } from './ast.ts';
import type { Checked } from './check.ts';
import { fits } from './functions.ts';
import type { Overload } from './functions.ts';
import { planLoop } from './loops.ts';
import { spent } from './meter.ts';
import type { Meter } from './meter.ts';
import {
  BuiltMap, CelMap, Fault, isFault, keyText, List, noSuchOverload, numberOf, Optional, typeName, TypeValue,
} from './values.ts';
import type { Value } from './values.ts';

/** A variable whose fields are found out when they are asked for, as `variables` of a policy. */
export abstract class Lazy {
  abstract field(name: string, meter: Meter): Value | Fault | undefined;
}

export type Bindings = ReadonlyMap<string, Value | Lazy>;

export interface Frame {
  readonly bindings: Bindings;
  /** What macros have bound, by depth. */
  readonly locals: Value[];
  readonly meter: Meter;
}

export type Step = (frame: Frame) => Value | Fault;

export function plan(expr: Expr, checked: Checked): Step {
  return new Planner(checked).plan(expr, []);
}

export class Planner {
  readonly #checked: Checked;
  constructor(checked: Checked) { this.#checked = checked; }

  /**
   * `names`: what macros around it have bound. `free`: a branch of `?:` that only looks up is not
   * charged.
   */
  plan(expr: Expr, names: readonly string[], free = false): Step {
    const typeNamed = this.#checked.typeValues.get(expr);
    if (typeNamed !== undefined) {
      const value = new TypeValue(typeNamed);
      return ({ meter }) => meter.charge(1) ? value : spent;
    }
    const dotted = this.#checked.dotted.get(expr);
    if (dotted !== undefined) return named(dotted, names, free);
    switch (expr.type) {
      case 'const': { const { value } = expr; return () => value; }
      case 'name': return named(expr.name, names, free);
      case 'select': return this.#select(expr, names, free);
      case 'has': return this.#has(expr, names);
      case 'index': return this.#index(expr, names, free);
      case 'call': return this.#call(expr, names);
      case 'all': case 'any': return this.#logic(expr, names);
      case 'choice': return this.#choice(expr, names);
      case 'list': return this.#list(expr, names);
      case 'map': return this.#map(expr, names);
      case 'object': return this.#object(expr, names);
      case 'loop': return planLoop(expr, names, this);
      case 'optMap': return this.#optMap(expr, names);
    }
  }

  // ── looking up ─────────────────────────────────────────────────────────────────────────────────────────

  #select({ of, field, optional }: Expr & { type: 'select' }, names: readonly string[], free: boolean): Step {
    const price = free ? 0 : 1;
    if (of.type === 'name' && !names.includes(of.name)) {
      const inner = this.plan(of, names, free), { name } = of;
      return (frame) => {
        const bound = frame.bindings.get(name);
        if (!(bound instanceof Lazy)) return chosen(inner(frame), field, optional, frame.meter, price);
        if (!frame.meter.charge(1 + price)) return spent;
        return bound.field(field, frame.meter) ?? noSuchKey(field);
      };
    }
    const inner = this.plan(of, names, free);
    return (frame) => chosen(inner(frame), field, optional, frame.meter, price);
  }

  #has({ of, field }: Expr & { type: 'has' }, names: readonly string[]): Step {
    const inner = this.plan(of, names);
    return (frame) => {
      const bound = of.type === 'name' && !names.includes(of.name) ? frame.bindings.get(of.name) : undefined;
      if (bound instanceof Lazy) {
        const found = bound.field(field, frame.meter);
        return isFault(found) ? found : found !== undefined;
      }
      const value = inner(frame), inside = value instanceof Optional ? value.value : value;
      if (isFault(inside)) return inside;
      return inside instanceof CelMap && inside.get(field) !== undefined;
    };
  }

  #index({ of, index, optional }: Expr & { type: 'index' }, names: readonly string[], free: boolean): Step {
    const inner = this.plan(of, names, free), key = this.plan(index, names, free), price = free ? 0 : 1;
    return (frame) => {
      const value = inner(frame);
      if (isFault(value)) return value;
      const at = key(frame);
      if (isFault(at)) return at;
      if (!frame.meter.charge(price)) return spent;
      if (!(value instanceof Optional) && !optional) return itemAt(value, at);
      const inside = value instanceof Optional ? value.value : value;
      return inside === undefined ? new Optional(undefined) : asOptional(itemAt(inside, at));
    };
  }

  // ── calls ──────────────────────────────────────────────────────────────────────────────────────────────

  #call(expr: Call, names: readonly string[]): Step {
    const resolved = this.#checked.calls.get(expr);
    if (resolved === undefined) return () => noSuchOverload;
    const { overloads } = resolved, args = resolved.args.map((arg) => this.plan(arg, names));
    const [first, second] = args;
    if ((expr.name === 'orValue' || expr.name === 'or') && first !== undefined && second !== undefined) {
      return otherwise(first, second, expr.name === 'orValue');
    }
    const { name } = expr;
    if (first !== undefined && second !== undefined && args.length === 2) {
      return (frame) => {
        const a = first(frame);
        if (isFault(a)) return a;
        const b = second(frame);
        return isFault(b) ? b : invoke(overloads, [a, b], frame.meter, name);
      };
    }
    return (frame) => {
      const values: Value[] = [];
      for (const arg of args) {
        const value = arg(frame);
        if (isFault(value)) return value;
        values.push(value);
      }
      return invoke(overloads, values, frame.meter, name);
    };
  }

  #logic({ type, args }: Expr & { type: 'all' | 'any' }, names: readonly string[]): Step {
    const steps = args.map((arg) => this.plan(arg, names)), decides = type === 'any';
    return (frame) => {
      let wrong: Fault | null = null;
      for (const step of steps) {
        const value = step(frame);
        if (frame.meter.out) return spent;
        if (value === decides) return decides;
        if (value !== !decides) wrong ??= isFault(value) ? value : noSuchOverload;
      }
      return wrong ?? !decides;
    };
  }

  #choice({ condition, then, other }: Expr & { type: 'choice' }, names: readonly string[]): Step {
    const decide = this.plan(condition, names);
    const yes = this.plan(then, names, true), no = this.plan(other, names, true);
    return (frame) => {
      const value = decide(frame);
      if (isFault(value)) return value;
      return value === true ? yes(frame) : value === false ? no(frame) : noSuchOverload;
    };
  }

  #optMap({ of, flat, name, body }: Bound, names: readonly string[]): Step {
    const optional = this.plan(of, names);
    const inner = this.plan(body, [...names, name]), depth = names.length;
    return (frame) => {
      const value = optional(frame);
      if (isFault(value)) return value;
      if (!(value instanceof Optional)) return noSuchOverload;
      if (!frame.meter.charge(4)) return spent;
      if (value.value === undefined) return value;
      frame.locals[depth] = value.value;
      const result = inner(frame);
      if (isFault(result) || !flat) return isFault(result) ? result : new Optional(result);
      return result instanceof Optional ? result : noSuchOverload;
    };
  }

  // ── literals ───────────────────────────────────────────────────────────────────────────────────────────

  #list({ items }: Expr & { type: 'list' }, names: readonly string[]): Step {
    const steps = items.map(({ value, optional }) => ({ step: this.plan(value, names), optional }));
    if (items.every(({ value, optional }) => value.type === 'const' && !optional)) {
      const folded = new List(items.map(({ value }) => (value as Expr & { type: 'const' }).value));
      return () => folded;
    }
    return (frame) => {
      if (!frame.meter.charge(10)) return spent;
      const values: Value[] = [];
      for (const { step, optional } of steps) {
        const value = step(frame);
        if (isFault(value)) return value;
        if (!optional) values.push(value);
        else if (!(value instanceof Optional)) return noSuchOverload;
        else if (value.value !== undefined) values.push(value.value);
      }
      return new List(values);
    };
  }

  #map({ entries }: Expr & { type: 'map' }, names: readonly string[]): Step {
    const steps = entries.map(({ key, value, optional }) =>
      ({ key: this.plan(key, names), step: this.plan(value, names), optional }));
    const constant = entries.every(({ key, value, optional }) =>
      key.type === 'const' && value.type === 'const' && !optional);
    return (frame) => {
      if (!constant && !frame.meter.charge(30)) return spent;
      const built = new Map<string, readonly [Value, Value]>();
      for (const { key, step, optional } of steps) {
        const at = key(frame);
        if (isFault(at)) return at;
        const value = step(frame);
        if (isFault(value)) return value;
        const text = keyText(at);
        if (text === null) return new Fault(`unsupported key type: ${typeName(at)}`);
        if (!optional) built.set(text, [at, value]);
        else if (!(value instanceof Optional)) return noSuchOverload;
        else if (value.value !== undefined) built.set(text, [at, value.value]);
      }
      return new BuiltMap(built);
    };
  }

  #object({ name, fields }: Expr & { type: 'object' }, names: readonly string[]): Step {
    const steps = fields.map((field) => ({ ...field, step: this.plan(field.value, names) }));
    return (frame) => {
      if (!frame.meter.charge(40)) return spent;
      const built = new Map<string, readonly [Value, Value]>();
      for (const { name: field, step, optional } of steps) {
        const value = step(frame);
        if (isFault(value)) return value;
        if (!optional) built.set(`s${field}`, [field, value]);
        else if (!(value instanceof Optional)) return noSuchOverload;
        else if (value.value !== undefined) built.set(`s${field}`, [field, value.value]);
      }
      return new BuiltMap(built, name);
    };
  }
}

function named(name: string, names: readonly string[], free: boolean): Step {
  const depth = names.lastIndexOf(name), price = free ? 0 : 1;
  if (depth >= 0) return ({ meter, locals }) => meter.charge(price) ? locals[depth] ?? null : spent;
  return ({ meter, bindings }) => {
    if (!meter.charge(price)) return spent;
    const value = bindings.get(name);
    return value === undefined || value instanceof Lazy ? new Fault(`no such attribute(s): ${name}`) : value;
  };
}

const noSuchKey = (key: string): Fault => new Fault(`no such key: ${key}`);

function chosen(
  value: Value | Fault, field: string, optional: boolean, meter: Meter, price: number,
): Value | Fault {
  if (isFault(value)) return value;
  if (!meter.charge(price)) return spent;
  const chained = value instanceof Optional, inside = chained ? value.value : value;
  if (inside instanceof List && !chained) return new Fault("unsupported index type 'string' in list");
  const found = inside instanceof CelMap ? inside.get(field) : undefined;
  if (chained || optional) return new Optional(found);
  return found ?? (found === null ? null : noSuchKey(field));
}

/** What is not there is none; what can't be asked for is an error still. */
function asOptional(value: Value | Fault): Value | Fault {
  if (!isFault(value)) return new Optional(value);
  return /^(no such key|index out of bounds)/.test(value.message) ? new Optional(undefined) : value;
}

function itemAt(value: Value, at: Value): Value | Fault {
  if (value instanceof CelMap) return value.get(at)
    ?? (value.get(at) === null ? null : noSuchKey(keyShown(at)));
  if (!(value instanceof List)) return noSuchKey(keyShown(at));
  const index = numberOf(at);
  if (index === null || (typeof index === 'number' && !Number.isInteger(index))) {
    return new Fault(typeof index === 'number' ? `unsupported index value ${at} in list`
      : `unsupported index type '${typeName(at)}' in list`);
  }
  return index >= 0 && index < value.size ? value.at(Number(index))
    : new Fault(`index out of bounds: ${index}`);
}

const keyShown = (at: Value): string => typeof at === 'string' ? at : String(numberOf(at) ?? at);

/** `a.orValue(b)` and `a.or(b)`: b is evaluated only where a is none. */
function otherwise(first: Step, second: Step, value: boolean): Step {
  return (frame) => {
    const optional = first(frame);
    if (isFault(optional)) return optional;
    if (!(optional instanceof Optional)) return noSuchOverload;
    if (optional.value !== undefined) return value ? optional.value : optional;
    const other = second(frame);
    return isFault(other) || value || other instanceof Optional ? other : noSuchOverload;
  };
}

function invoke(
  overloads: readonly Overload[], args: readonly Value[], meter: Meter, name: string): Value | Fault {
  for (const { params, body, cost } of overloads) {
    if (!args.every((arg, at) => fits(arg, params[at] as never))) continue;
    const result = body(args, meter);
    return meter.charge(cost(args, result)) ? result : spent;
  }
  return meter.charge(1) ? overloadMissing(name, args) : spent;
}

/** Operators and tests of texts don't say their names. */
function overloadMissing(name: string, args: readonly Value[]): Fault {
  if (/^(_.*_|._|@in|startsWith|endsWith|contains|matches|containsIP)$/.test(name)) return noSuchOverload;
  return new Fault(name === 'size' ? 'no such overload: size'
    : `no such overload: ${name}(${args.map(typeName).join(', ')})`);
}
