// Building blocks of printer columns: what `kubectl get` shows is computed here, by the server, as in
// Kubernetes (pkg/printers/internalversion); kubectl only lays it out.

import type { Column } from '../resource.ts';
import { formatSelector } from '../selector.ts';
import { humanDuration, parseTime } from '../time.ts';
import type { KubeObject, LabelSelector, PodSpec } from '../types.ts';
import type { Loose } from './validate.ts';

type Cell = string | number | boolean;

/** A column of text. `wide`: shown with `-o wide` only. */
export function text(
  name: string, description: string, value: (object: KubeObject, nowWallMs: number) => string,
): Column {
  return { name, type: 'string', format: '', description, priority: 0, value };
}

export function count(name: string, description: string, value: (object: KubeObject) => number): Column {
  return { name, type: 'integer', format: '', description, priority: 0, value };
}

export const wide = (column: Column): Column => ({ ...column, priority: 1 });

export const nameColumn: Column = {
  name: 'Name', type: 'string', format: 'name', description: 'Name of the object, unique in its namespace.',
  priority: 0, value: (object): Cell => object.metadata.name,
};

export const ageColumn: Column = text('Age', 'Time since the object was created.',
  (object, now) => since(object.metadata.creationTimestamp, now));

/** `5m`; `<unknown>` where there is no time. */
export function since(time: string | undefined, nowWallMs: number): string {
  const ms = parseTime(time);
  return ms === null ? '<unknown>' : humanDuration(nowWallMs - ms);
}

export const orNone = (value: string | undefined): string => value || '<none>';

/** `a=1,b=2`, keys sorted; `<none>` when empty. */
export function formatLabels(labels: Readonly<Record<string, string | undefined>> | undefined): string {
  return orNone(Object.keys(labels ?? {}).sort().map((key) => `${key}=${labels?.[key]}`).join(','));
}

interface Workload {
  readonly spec?: {
    readonly selector?: LabelSelector; readonly template?: { readonly spec?: Loose<PodSpec> };
  };
}

/** Containers, images and selector of what makes pods: shown with `-o wide`. */
export const workloadColumns: readonly Column[] = [
  wide(text('Containers', 'Names of the containers of the template.',
    (object) => containersOf(object).map((container) => container.name).join(','))),
  wide(text('Images', 'Images of the containers of the template.',
    (object) => containersOf(object).map((container) => container.image).join(','))),
  wide(text('Selector', 'Which pods are meant, by their labels.',
    (object) => selectorText((object as Workload).spec?.selector))),
];

function containersOf(object: KubeObject): NonNullable<Loose<PodSpec>['containers']> {
  return (object as Workload).spec?.template?.spec?.containers ?? [];
}

/** As apimachinery prints a selector; one that is missing picks nothing, an empty one everything. */
export function selectorText(selector: LabelSelector | undefined): string {
  return selector === undefined ? '<none>' : formatSelector(selector);
}
