// CEL for Kubernetes: from an expression to a program, from a program and its variables to a value.
//
// The libraries on npm were looked at first: none counts what an evaluation costs, one asks the machine for
// time zones and regular expressions, one brings protobuf along. So this is a compact one of our own, whose
// regular expressions are those of re2js.
// What always holds: whatever the expression, both functions come back, with a value or an error that says
// where and why; the same input gives the same output on every peer.

import { limits } from '../../limits.ts';
import { check } from './check.ts';
import type { Environment } from './check.ts';
import { errorText } from './errors.ts';
import type { CelError } from './errors.ts';
import { Meter } from './meter.ts';
import { parse } from './parse.ts';
import { plan } from './plan.ts';
import type { Bindings, Step } from './plan.ts';
import { typeNamed } from './types.ts';
import type { CelType } from './types.ts';
import { Fault } from './values.ts';
import type { Value } from './values.ts';

export type { Bindings, CelError, CelType, Environment, Value };
export { errorText, Fault, Meter };

export interface Program {
  readonly expression: string;
  /** What it evaluates to, as far as can be told. */
  readonly type: CelType;
  /** The variables that it speaks of. */
  readonly used: ReadonlySet<string>;
  readonly step: Step;
}

export function compile(expression: string, environment: Environment): Program | readonly CelError[] {
  const parsed = parse(expression);
  if ('errors' in parsed) return parsed.errors;
  const checked = check(parsed.expr, environment);
  if (checked.errors.length > 0) return checked.errors.slice(0, limits.celErrorsMax);
  return { expression, type: checked.type, used: checked.used, step: plan(parsed.expr, checked) };
}

export const isProgram = (compiled: Program | readonly CelError[]): compiled is Program => 'step' in compiled;

/**
 * The value of the program, or a Fault. The meter goes on counting, so that several expressions may share
 * one.
 */
export function evaluate(program: Program, bindings: Bindings, meter: Meter = new Meter()): Value | Fault {
  return program.step({ bindings, locals: [], meter });
}

/**
 * A program of one of these types, or what Kubernetes says of the expression: `compilation failed: ERROR …`,
 * `must evaluate to bool but got dyn`. Where `dyn` may be anything it is not among what is wanted.
 */
export function compileAs(
  expression: string, environment: Environment, wanted: readonly CelType[],
): Program | string {
  const compiled = compile(expression, environment);
  if (!isProgram(compiled)) return `compilation failed: ${errorText(expression, compiled)}`;
  const type = typeNamed(compiled.type);
  if (wanted.length === 0 || wanted.some((each) => typeNamed(each) === type)) return compiled;
  const [only] = wanted;
  return wanted.length === 1 && only !== undefined ? `must evaluate to ${typeNamed(only)} but got ${type}`
    : `must evaluate to one of [${wanted.map(typeNamed).join(' ')}] but got ${type}`;
}
