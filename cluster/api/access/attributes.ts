// What a request is about, as far as its being allowed goes: a verb on a resource, or on a path.
//
// Read from the path alone, before it is known whether there is such a thing: a stranger is not told what
// there is. The parts of the path are those that `route` sees. Source: apiserver endpoints/request
// (RequestInfo), "Determine the Request Verb".

import { flag } from '../query.ts';
import type { Query } from '../query.ts';
import { parseFieldSelector } from '../selector.ts';
import { nameError } from '../names.ts';

export type Attributes = ResourceAttributes | PathAttributes;

export interface ResourceAttributes {
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  /** Empty: at the cluster scope. Of a Namespace itself its own name. */
  readonly namespace: string;
  /** Empty where no single object is meant. */
  readonly name: string;
  /** The node whose objects a list, a watch or a deletion asks for by field; missing: not by that. */
  readonly onNode?: string;
}

export interface PathAttributes { readonly verb: string; readonly path: string }

export const isOfResource = (attributes: Attributes): attributes is ResourceAttributes =>
  'resource' in attributes;

export interface Asked { readonly method: string; readonly path: string }

const namespaceSubresources = ['status', 'finalize'];

export function attributesOf(asked: Asked, query: Query): Attributes {
  const { method, path } = asked, parts = partsOf(path);
  const ofPath: PathAttributes = { verb: method.toLowerCase(), path };
  if (parts === null) return ofPath;
  const [root] = parts, core = root === 'api';
  if ((!core && root !== 'apis') || parts.length < (core ? 3 : 4)) return ofPath;
  const [group = '', version = '', ...rest] = core ? ['', ...parts.slice(1)] : parts.slice(1);
  const special = rest[0] === 'watch' || rest[0] === 'proxy' ? rest[0] : null;
  const about = placeOf(special === null ? rest : rest.slice(1));
  if (special !== null) return { group, version, ...about, verb: special };
  const verb = verbOf(method);
  if (about.name !== '') return { group, version, ...about, verb };
  if (verb !== 'get' && verb !== 'delete') return { group, version, ...about, verb };
  const { name, onNode } = namedIn(query), selected = onNode === '' ? about : { ...about, onNode };
  if (verb === 'delete') return { group, version, ...selected, verb: 'deletecollection' };
  return { group, version, ...selected, verb: flag(query, 'watch') ? 'watch' : 'list', name };
}

/** As `route` takes the path apart; null where it does not. */
function partsOf(path: string): string[] | null {
  try {
    return path.split('/').filter((part) => part !== '').map(decodeURIComponent);
  } catch {
    return null;
  }
}

type Place = Pick<ResourceAttributes, 'resource' | 'subresource' | 'namespace' | 'name'>;

function placeOf(parts: readonly string[]): Place {
  const [first = '', second, third] = parts;
  const within = first === 'namespaces' && second !== undefined;
  const inside = within && third !== undefined && !namespaceSubresources.includes(third);
  const [resource = '', name = '', subresource = ''] = inside ? parts.slice(2) : parts;
  return { resource, name, subresource, namespace: within ? second : '' };
}

function verbOf(method: string): string {
  switch (method) {
    case 'GET': case 'HEAD': return 'get';
    case 'POST': return 'create';
    case 'PUT': return 'update';
    case 'PATCH': return 'patch';
    case 'DELETE': return 'delete';
    default: return '';
  }
}

interface Named { readonly name: string; readonly onNode: string }

/**
 * The one object that a list or a watch asks for by `metadata.name`: as good as naming it in the path. And
 * the node whose objects it asks for.
 */
function namedIn(query: Query): Named {
  const text = query.get('fieldSelector') ?? '', fields = text === '' ? null : parseFieldSelector(text);
  if (fields === null || !fields.ok) return { name: '', onNode: '' };
  const value = (field: string): string =>
    fields.value.find((term) => term.field === field && term.equal)?.value ?? '';
  const name = value('metadata.name');
  return {
    name: name === '' || nameError(name, 'path-segment') !== null ? '' : name, onNode: value('spec.nodeName'),
  };
}
