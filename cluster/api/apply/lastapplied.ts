// kubectl's client-side apply meets server-side apply: what the annotation of the one says is no conflict for
// the other, and the annotation is kept up to date, so that people may go back and forth. Only for the
// manager `kubectl`. Source: apimachinery util/managedfields (lastAppliedManager, lastAppliedUpdater).

import { limits } from '../../limits.ts';
import { isObject } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';
import { compareText, goJson, isScalar } from './elements.ts';
import { compare, fieldsOf } from './compare.ts';
import { difference, has } from './fields.ts';
import { apply } from './ownership.ts';
import type { Application, Applied } from './ownership.ts';
import { objectIn } from './shape.ts';
import { typeErrors } from './typed.ts';

const annotation = 'kubectl.kubernetes.io/last-applied-configuration';

export function applyAsKubectl(application: Application): Applied {
  const first = apply(application);
  if (application.writer.manager !== 'kubectl') return first;
  const applied = first.ok ? first : again(application, first);
  return applied.ok ? { ...applied, value: annotated(applied.value, application.applied) } : applied;
}

/** By force, where all that is in conflict stands as kubectl applied it last; else what is left of it. */
function again(application: Application, refused: Extract<Applied, { ok: false }>): Applied {
  const { live, writer, schema, part } = application;
  const last = lastApplied(live);
  if (last === null || last['apiVersion'] !== writer.apiVersion) return refused;
  if (typeErrors(last, schema) !== '') return refused;
  const { written, removed } = compare(last, live ?? {}, part, false);
  const allowed = difference(difference(fieldsOf(last, part), written), removed);
  const conflicts = refused.conflicts.filter(({ path }) => !has(allowed, path));
  return conflicts.length > 0 ? { ok: false, conflicts } : apply({ ...application, force: true });
}

function annotationsOf(value: Json | undefined): JsonObject {
  return objectIn(objectIn(objectIn(value)['metadata'])['annotations']);
}

function lastApplied(live: Json | undefined): JsonObject | null {
  const text = annotationsOf(live)[annotation];
  if (typeof text !== 'string' || text === '') return null;
  try {
    const value = JSON.parse(text) as Json;
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** The value with the annotation that says what was applied, if it has the annotation at all. */
function annotated(value: Json, applied: Json): Json {
  const before = annotationsOf(value);
  if (typeof before[annotation] !== 'string' || before[annotation] === '') return value;
  const annotations = { ...before, [annotation]: `${goObject(withoutAnnotation(applied))}\n` };
  const { [annotation]: _, ...others } = annotations;
  let size = 0;
  for (const [name, text] of Object.entries(annotations)) size += name.length + String(text).length;
  const kept = size > limits.annotationsCharsMax ? others : annotations;
  const whole = objectIn(value), metadata = objectIn(whole['metadata']);
  return { ...whole, metadata: { ...metadata, annotations: kept } };
}

function withoutAnnotation(applied: Json): Json {
  const whole = objectIn(applied), metadata = objectIn(whole['metadata']);
  if (!isObject(metadata['annotations'])) return whole;
  const { [annotation]: _, ...annotations } = metadata['annotations'];
  return { ...whole, metadata: { ...metadata, annotations } };
}

/** JSON as Go writes a map: with sorted names. */
function goObject(value: Json): string {
  if (isScalar(value)) return goJson(value);
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(goObject).join(',')}]`;
  const fields = value as JsonObject;
  const names = Object.keys(fields).sort(compareText);
  return `{${names.map((name) => `${goJson(name)}:${goObject(fields[name] ?? null)}`).join(',')}}`;
}

