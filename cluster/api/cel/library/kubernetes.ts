// All functions of CEL in Kubernetes 1.36, by name: those of the language, and those of its libraries.
// Source of facts: k8s.io/apiserver pkg/cel/environment/base.go.

import type { FunctionTable } from '../check.ts';
import type { Overload } from '../functions.ts';
import { standardFunctions } from '../standard.ts';
import { timeFunctions } from '../time.ts';
import { authorizerFunctions } from './authorizer.ts';
import { formatFunctions } from './formats.ts';
import { listFunctions } from './lists.ts';
import { netFunctions } from './net.ts';
import { quantityFunctions } from './quantity.ts';
import { stringFunctions } from './strings.ts';
import { formatTextFunctions } from './textformat.ts';

export const kubernetesFunctions: FunctionTable = table([
  ...standardFunctions, ...timeFunctions, ...stringFunctions, ...formatTextFunctions, ...listFunctions,
  ...netFunctions, ...quantityFunctions, ...formatFunctions, ...authorizerFunctions,
]);

function table(overloads: readonly Overload[]): FunctionTable {
  const byName = new Map<string, Overload[]>();
  for (const overload of overloads) {
    const key = overload.member ? `.${overload.name}` : overload.name;
    byName.set(key, [...byName.get(key) ?? [], overload]);
  }
  return byName;
}
