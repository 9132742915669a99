// The OpenAPI pages: an index with a hash for each group and version, one document for each (v3), and one for
// all of them (v2).
//
// What always holds: the hash of a document changes whenever the document does, and is known without making
// it; a document is made when it is first asked for, and again only when its kinds have changed.
// Source: Kubernetes, "OpenAPI V3"; kube-openapi's handlers.

import { hashText } from '../../random.ts';
import { rowsText } from '../kinds/table.ts';
import { coversJson, plainJson, ranked, respond } from '../output.ts';
import type { Query } from '../query.ts';
import type { GroupVersion, Registry } from '../registry.ts';
import type { ApiContext, ApiRequest, ApiResponse, Descriptions } from '../request.ts';
import { methodNotAllowed, notAcceptable } from '../status.ts';
import type { Problem } from '../status.ts';
import { versionInfo } from '../version.ts';
import { customDefinitions, customTexts } from './custom.ts';
import { definitionsOf } from './definitions.ts';
import type { Generation } from './definitions.ts';
import { namesOfPaths, pathOf, pathsOf } from './paths.ts';

/** The page of this path; null where there is none here. */
export function openapiPage(
  parts: readonly string[], request: ApiRequest, query: Query, context: ApiContext, registry: Registry,
): ApiResponse | Problem | null {
  const [root, generation, ...rest] = parts;
  if (root !== 'openapi' || (generation !== 'v2' && generation !== 'v3')) return null;
  const isIndex = generation === 'v3' && rest.length === 0, path = rest.join('/');
  const each = isIndex || generation === 'v2' ? null
    : registry.groupVersions().find((one) => pathOf(one).slice(1) === path) ?? null;
  if (each === null && !isIndex && !(generation === 'v2' && rest.length === 0)) return null;
  if (request.method !== 'GET' && request.method !== 'HEAD') return methodNotAllowed();
  const accepted = ranked(request.headers['accept']), descriptions = context.descriptions ?? null;
  if (generation === 'v2' && accepted.some(({ type }) => protobufAsked.includes(type))) return headAlone();
  if (!accepted.some(({ type }) => coversJson(type))) return notAcceptable('application/json');
  if (each !== null) return documentPage(each, query.get('hash') ?? '', request, context);
  const hashes = registry.groupVersions().map((one) => hashOf(one, descriptions));
  const headers = { etag: `"${digest(JSON.stringify([generation, hashes]))}"`, vary: 'Accept' };
  if (request.headers['if-none-match'] === headers.etag) return { status: 304, headers, body: '' };
  const text = isIndex ? index(registry, descriptions) : secondGeneration(registry, descriptions);
  const answer = respond(200, text, plainJson);
  return { ...answer, headers: { ...answer.headers, ...headers } };
}

/** As Kubernetes: who asks for what a hash names may keep it; who asks with an old one is sent to the new. */
function documentPage(
  each: GroupVersion, asked: string, request: ApiRequest, context: ApiContext,
): ApiResponse {
  const descriptions = context.descriptions ?? null;
  const hash = hashOf(each, descriptions), etag = `"${hash}"`;
  if (asked !== '' && asked !== hash) {
    return { status: 301, headers: { location: urlOf(each, hash), vary: 'Accept' }, body: '' };
  }
  const kept = asked === '' ? {} : {
    'cache-control': 'public, immutable', expires: new Date(context.nowWallMs + yearMs).toUTCString(),
  };
  const headers = { etag, vary: 'Accept', ...kept };
  if (request.headers['if-none-match'] === etag) return { status: 304, headers, body: '' };
  const answer = respond(200, documentText(each, descriptions), plainJson);
  return { ...answer, headers: { ...answer.headers, ...headers } };
}

const yearMs = 365 * 24 * 3_600_000;

function digest(text: string): string {
  const words = [0x811c9dc5, 0x9e3779b9, 0x85ebca6b, 0xc2b2ae35].map((seed) => hashText(text, seed));
  return words.map((word) => word.toString(16).padStart(8, '0')).join('').toUpperCase();
}

const urlOf = (each: GroupVersion, hash: string): string => `/openapi/v3${pathOf(each)}?hash=${hash}`;

// ── hashes ───────────────────────────────────────────────────────────────────────────────────────────────

const hashesMade = new WeakMap<GroupVersion, { readonly edition: string; readonly hash: string }>();
let tablesDigest = '';

/** Of all that the document is made from. */
function hashOf(each: GroupVersion, descriptions: Descriptions | null): string {
  const edition = descriptions?.edition ?? '', known = hashesMade.get(each);
  if (known?.edition === edition) return known.hash;
  tablesDigest ||= digest(rowsText());
  const kinds = each.kinds.map((resource) => {
    const { kind, resource: plural, namespaced, verbs, subresources } = resource;
    return [kind, plural, namespaced, verbs, subresources, customDefinitions(resource, 3, descriptions)];
  });
  const made = JSON.stringify([info, tablesDigest, edition, each.group, each.version, kinds]);
  const hash = digest(made);
  hashesMade.set(each, { edition, hash });
  return hash;
}

// ── documents ────────────────────────────────────────────────────────────────────────────────────────────

interface Made { readonly edition: string; readonly text: string }

const documents = new WeakMap<GroupVersion, Made>(), seconds = new WeakMap<Registry, Made>();

function documentText(each: GroupVersion, descriptions: Descriptions | null): string {
  return once(documents, each, descriptions, () => {
    const head = JSON.stringify({ openapi: '3.0.0', info }).slice(0, -1), paths = pathsText(each, 3);
    const schemas = allDefinitions([each], 3, descriptions), schemes = JSON.stringify(security);
    return `${head},"paths":{${paths}},"components":{"schemas":${schemas},"securitySchemes":${schemes}}}`;
  });
}

const pathsMade = { 2: new WeakMap<GroupVersion, string>(), 3: new WeakMap<GroupVersion, string>() };

/** The members of `paths`, as JSON. */
function pathsText(each: GroupVersion, generation: Generation): string {
  const made = pathsMade[generation], known = made.get(each);
  if (known !== undefined) return known;
  const text = JSON.stringify(Object.fromEntries(pathsOf(each, generation))).slice(1, -1);
  made.set(each, text);
  return text;
}

function once<K extends object>(
  kept: WeakMap<K, Made>, key: K, descriptions: Descriptions | null, make: () => string,
): string {
  const edition = descriptions?.edition ?? '', known = kept.get(key);
  if (known?.edition === edition) return known.text;
  const text = make();
  kept.set(key, { edition, text });
  return text;
}

function allDefinitions(
  groups: readonly GroupVersion[], generation: Generation, descriptions: Descriptions | null,
): string {
  const own = new Map(groups.flatMap(({ kinds }) => kinds.flatMap((resource) =>
    customTexts(resource, generation, descriptions))));
  const names = groups.flatMap(namesOfPaths).filter((name) => !own.has(name));
  const built = definitionsOf([...new Set(names)], generation, descriptions);
  const members = [...built, ...own].sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`;
}

const index = (registry: Registry, descriptions: Descriptions | null): string => {
  const paths = registry.groupVersions().map((each) =>
    [pathOf(each).slice(1), { serverRelativeURL: urlOf(each, hashOf(each, descriptions)) }] as const);
  return JSON.stringify({ paths: Object.fromEntries(paths) });
};

function secondGeneration(registry: Registry, descriptions: Descriptions | null): string {
  const groups = registry.groupVersions();
  return once(seconds, registry, descriptions, () => {
    const head = JSON.stringify({
      swagger: '2.0', info, securityDefinitions: security, security: [{ BearerToken: [] }],
    });
    const paths = groups.map((each) => pathsText(each, 2)).filter((text) => text !== '').join(',');
    const definitions = allDefinitions(groups, 2, descriptions);
    return `${head.slice(0, -1)},"paths":{${paths}},"definitions":${definitions}}`;
  });
}

const info = { title: 'Kubernetes', version: versionInfo.gitVersion };
const security = { BearerToken: { type: 'apiKey', name: 'authorization', in: 'header' } };

const protobufGiven = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
const protobufAsked = [protobufGiven, 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf'];

/**
 * Version 2 as protobuf: a document of its head alone, without paths and definitions. kubectl falls back on
 * it for a kind that no document of version 3 has, finds nothing here either, and then names that kind to its
 * user; were it refused the document, it would complain of media types instead.
 */
function headAlone(): ApiResponse {
  const texts: readonly string[] = [info.title, info.version];
  // Lengths below 128 and ASCII: the bytes are the characters.
  const field = (number: number, text: string): string =>
    `${String.fromCharCode(number * 8 + 2, text.length)}${text}`;
  const body = field(1, '2.0') + field(2, texts.map((text, at) => field(at + 1, text)).join(''));
  const headers = { 'content-type': protobufGiven, 'cache-control': 'no-cache, private' };
  return { status: 200, headers, body };
}
