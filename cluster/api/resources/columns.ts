// Building blocks of printer columns: what `kubectl get` shows is computed here, by the server, as in
// Kubernetes (pkg/printers/internalversion); kubectl only lays it out.

import type { Column } from '../resource.ts';
import { formatSelector } from '../selector.ts';
import { humanDuration, parseTime } from '../time.ts';
import type { KubeObject, LabelSelector, PodSpec } from '../types.ts';
import { at, isMissing, listAt, numberAt } from './fields.ts';
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

export function flag(name: string, description: string, value: (object: KubeObject) => boolean): Column {
  return { name, type: 'boolean', format: '', description, priority: 0, value };
}

/** The text at a path of the object, or what is shown where there is none. */
export const textOf = (name: string, path: string, missing = ''): Column =>
  text(name, `The object's ${path}.`, (object) => {
    const value = at(object, path);
    return isMissing(value) ? missing : String(value);
  });

/** The number at a path of the object; 0 where there is none. */
export const countOf = (name: string, path: string): Column =>
  count(name, `The object's ${path}.`, (object) => numberAt(object, path) ?? 0);

export const flagOf = (name: string, path: string, missing = false): Column =>
  flag(name, `The object's ${path}.`, (object) => {
    const value = at(object, path);
    return typeof value === 'boolean' ? value : missing;
  });

/** How many items the list at the path has. */
export const sizeOf = (name: string, path: string): Column =>
  count(name, `Number of the object's ${path}.`, (object) => listAt(object, path).length);

export const nameColumn: Column = {
  name: 'Name', type: 'string', format: 'name', description: 'Name of the object, unique in its namespace.',
  priority: 0, value: (object): Cell => object.metadata.name,
};

export const ageColumn: Column = text('Age', 'Time since the object was created.',
  (object, now) => since(object.metadata.creationTimestamp, now));

/** For kinds that Kubernetes has no columns of their own for. */
export const createdAtColumn: Column = {
  name: 'Created At', type: 'date', format: '', description: 'Time at which the object was created.',
  priority: 0, value: ({ metadata }): Cell => metadata.creationTimestamp,
};

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
