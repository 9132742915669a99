// Custom kinds whose versions a webhook converts: what lies in the state in one version is asked for in
// another, and only a server of the users' own can say how it looks there.
//
// The API goes through a request as if it knew all conversions. Each that it does not know is noted,
// something stands in for it, and what came of it is thrown away: the webhook is asked for all that were
// noted, in one review for many objects, and the request is gone through again, with the same draws, until
// nothing is missing.
//
// Source of facts: apiextensions-apiserver pkg/apiserver/conversion (webhook_converter.go: what is asked, how
// answers are checked, messages), conformance tests "CustomResourceConversionWebhook".
// What always holds: nothing that was stood in for reaches a client or the log; of what a webhook converted,
// name, namespace, uid and all other metadata but labels and annotations are as they were.

import { limits } from '../../limits.ts';
import type { State } from '../../state/state.ts';
import { isObject } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';
import { answerOf, isWanted, Wanted } from '../callout/call.ts';
import type { Answers, Callout, CalloutAnswer } from '../callout/call.ts';
import { failedCall, failureText } from '../callout/failure.ts';
import { readAnswer, reviewCall, reviewPath, reviewVersionOf } from '../callout/review.ts';
import { targetOf } from '../callout/target.ts';
import type { ClientConfig } from '../callout/target.ts';
import { apiVersionOf } from '../output.ts';
import type { Resource } from '../resource.ts';
import { problem } from '../status.ts';
import type { Problem } from '../status.ts';
import type { KubeObject } from '../types.ts';

/** How the versions of a kind are converted where they differ in more than their names. */
export interface Conversion {
  readonly clientConfig: ClientConfig;
  readonly reviewVersions: readonly string[];
  /** The apiVersion that is stored. */
  readonly stored: string;
}

/** What one request knows of the conversions that it needs. */
export interface Conversions {
  /** This version of the kind, for this request only. */
  resource(of: Resource): Resource;
  /** Asks for what was missing since this was called last: null, where nothing was. */
  missing(answers: Answers | undefined, uid: () => string): Problem | null;
  /** What is known is not needed any more. */
  forget(): void;
}

/** Null: the kind's versions differ in name only. */
export function conversionsOf({ conversion }: Resource, state: State): Conversions | null {
  return conversion === undefined ? null : createConversions(conversion, state);
}

interface Missing { readonly object: KubeObject; readonly to: string }

function createConversions(conversion: Conversion, state: State): Conversions {
  /** By the wanted apiVersion and the object's text. */
  const known = new Map<string, KubeObject>(), missing = new Map<string, Missing>();
  /** By apiVersion and uid, how an object was last seen or written in it. */
  const seen = new Map<string, KubeObject>(), scoped = new WeakMap<Resource, Resource>();
  const standIns = new WeakSet<KubeObject>();

  function converted(object: KubeObject, to: string): KubeObject {
    if (object.apiVersion === to) return note(object);
    const key = `${to} ${JSON.stringify(object)}`, found = known.get(key);
    if (found !== undefined) return note(found);
    // What was made of a stand-in is no question.
    if (!standIns.has(object)) missing.set(key, { object, to });
    const stand = standIn(object, to);
    standIns.add(stand);
    return stand;
  }

  function note(object: KubeObject): KubeObject {
    seen.set(`${object.apiVersion} ${object.metadata.uid}`, object);
    return object;
  }

  /** As it was seen in this version: what the log made of it since is in its metadata. */
  function standIn(object: KubeObject, to: string): KubeObject {
    const before = seen.get(`${to} ${object.metadata.uid}`);
    return before === undefined ? { ...object, apiVersion: to } : { ...before, metadata: object.metadata };
  }

  function resource(of: Resource): Resource {
    const { storage } = of, shown = apiVersionOf(of);
    if (storage === undefined) return of;
    let one = scoped.get(of);
    if (one !== undefined) return one;
    const version = conversion.stored.slice(conversion.stored.indexOf('/') + 1);
    one = {
      ...of,
      storage: {
        resource: { ...of, version }, everyView: true, unkept: true,
        to: (object) => converted(note(object), conversion.stored),
        from: (object) => storage.from(converted(object, shown)),
      },
      scoped: resource,
    };
    scoped.set(of, one);
    return one;
  }

  return {
    resource,
    forget() {
      known.clear();
      seen.clear();
    },
    missing(answers, uid) {
      const wanted: Callout[] = [], all = [...missing.values()];
      // What is written may depend on what was read, so that is found out first.
      const reads = all.filter(({ to }) => to !== conversion.stored);
      for (const some of batches(reads.length > 0 ? reads : all)) {
        const first = some[0] as Missing, call = question(conversion, state, some, uid());
        const about = `${first.object.apiVersion}, Kind=${first.object.kind}`;
        const failed = (why: string): Problem =>
          problem(500, '', `conversion webhook for ${about} ${why}`.slice(0, limits.calloutMessageCharsMax));
        if (typeof call === 'string') return failed(`failed: ${call}`);
        const answer = answerOf(answers, call);
        if (isWanted(answer)) wanted.push(...answer.calls);
        else {
          const objects = answered(answer, some, call, conversion);
          if (typeof objects === 'string') return failed(objects);
          for (const [at, { object, to }] of some.entries()) {
            known.set(`${to} ${JSON.stringify(object)}`, objects[at] as KubeObject);
          }
        }
      }
      const some = missing.size > 0;
      missing.clear();
      return wanted.length > 0 ? new Wanted(wanted) : some ? goOn : null;
    },
  };
}

/** All that was missing is known now: go through the request once more. */
export const goOn: Problem = problem(500, '', 'conversions are known now');

/** Into so many reviews that each stays well below what an answer may hold; each wants one version. */
function batches(missing: readonly Missing[]): readonly (readonly Missing[])[] {
  const out: Missing[][] = [], open = new Map<string, { readonly list: Missing[]; bytes: number }>();
  for (const each of missing) {
    const bytes = JSON.stringify(each.object).length;
    let batch = open.get(each.to);
    if (batch === undefined || batch.bytes + bytes > limits.conversionReviewCharsMax) {
      open.set(each.to, batch = { list: [], bytes: 0 });
      out.push(batch.list);
    }
    batch.list.push(each);
    batch.bytes += bytes;
  }
  return out;
}

// ── what the webhook is asked ────────────────────────────────────────────────────────────────────────────

const reviewVersion = ({ reviewVersions }: Conversion): string | null => reviewVersionOf(reviewVersions);

/** The question, or why it can't be put. */
function question(
  conversion: Conversion, state: State, some: readonly Missing[], uid: string,
): Callout | string {
  const target = targetOf(state, conversion.clientConfig), version = reviewVersion(conversion);
  if (version === null) return 'no supported conversion review versions';
  const timeoutMs = limits.conversionTimeoutMs;
  if (target.unresolved !== '') {
    return failedCall(target, 'POST', reviewPath(target, timeoutMs), target.unresolved);
  }
  return reviewCall(target, timeoutMs, {
    kind: 'ConversionReview', apiVersion: `apiextensions.k8s.io/${version}`, uid,
    fields: `"desiredAPIVersion":${JSON.stringify(some[0]?.to)},`
      + `"objects":[${some.map(({ object }) => JSON.stringify(object)).join(',')}]`,
  });
}

// ── what it answers ──────────────────────────────────────────────────────────────────────────────────────

/** The objects in their order, or what is wrong, as a message goes on after the webhook's name. */
function answered(
  answer: CalloutAnswer, some: readonly Missing[], call: Callout, conversion: Conversion,
): readonly KubeObject[] | string {
  const { result } = answer, { authority, path } = call.request;
  if (!result.ok) return `failed: ${failedCall({ authority }, 'POST', path, failureText(result.failure))}`;
  const said = readAnswer(result);
  if ('wrong' in said) return `failed: ${said.why}`;
  const { value } = said;
  const refused = reviewProblem(value, answer.uid, conversion);
  if (refused !== null) return `failed: ${refused}`;
  const { convertedObjects } = value['response'] as JsonObject;
  const objects = Array.isArray(convertedObjects) ? convertedObjects as readonly Json[] : [];
  if (objects.length !== some.length) return `returned ${objects.length} objects, expected ${some.length}`;
  const out: KubeObject[] = [];
  for (const [at, { object, to }] of some.entries()) {
    const good = checked(object, objects[at] ?? null, to);
    if (typeof good === 'string') return `returned invalid converted object at index ${at}: ${good}`;
    out.push(good);
  }
  return out;
}

function reviewProblem(value: JsonObject, uid: string, conversion: Conversion): string | null {
  const { kind = '', apiVersion = '', response = null } = value, strict = reviewVersion(conversion) === 'v1';
  const given = `${String(apiVersion)}, Kind=${String(kind)}`;
  if (strict && given !== 'apiextensions.k8s.io/v1, Kind=ConversionReview') {
    return `expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got ${given}`;
  }
  if (!isObject(response)) return 'no response provided';
  const { uid: said = '', result = null } = response;
  if (strict && said !== uid) {
    return `expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(said)}`;
  }
  const { status = '', message = '' } = isObject(result) ? result : {};
  if (status === 'Success') return null;
  return typeof message === 'string' && message !== '' ? message
    : `response.result.status was '${String(status)}', not 'Success'`;
}

/** What was converted, with the metadata that it had; or what is wrong with it. */
function checked(from: KubeObject, value: Json, to: string): KubeObject | string {
  if (!isObject(value)) return 'invalid type, expected an object';
  const { apiVersion = '', kind = '', metadata = null } = value;
  if (apiVersion !== to) {
    return `invalid groupVersion (expected ${to}, received ${String(apiVersion)})`;
  }
  if (kind !== from.kind) return `invalid kind (expected ${from.kind}, received ${String(kind)})`;
  if (!isObject(metadata)) return 'missing metadata in converted object';
  for (const [field, name] of [['name', 'name'], ['namespace', 'namespace'], ['uid', 'UID']] as const) {
    const was = from.metadata[field] ?? '', is = metadata[field] ?? '';
    if (was !== is) return `must have the same ${name}: ${was} != ${String(is)}`;
  }
  const { labels: _l, annotations: _a, ...kept } = from.metadata, said: Record<string, Json> = {};
  for (const field of ['labels', 'annotations']) {
    const map = metadata[field] ?? null;
    if (map === null) continue;
    if (!isObject(map)) return `invalid metadata.${field} in converted object`;
    const odd = Object.keys(map).find((key) => typeof map[key] !== 'string');
    if (odd !== undefined) return `metadata.${field}[${odd}] must be a string in converted object`;
    said[field] = map;
  }
  return { ...value, metadata: { ...kept, ...said } } as unknown as KubeObject;
}
