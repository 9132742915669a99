// What somebody is told who may not do something, in the words of a Kubernetes API server.
// Source: apiserver endpoints/handlers/responsewriters/errors.go (Forbidden), apimachinery NewForbidden.

import type { UserInfo } from '../request.ts';
import { forbidden, problem } from '../status.ts';
import type { Problem } from '../status.ts';
import { isOfResource } from './attributes.ts';
import type { Attributes } from './attributes.ts';

/** `reason`: that of the decision; empty: there is none to tell. */
export function forbid(attributes: Attributes, user: UserInfo, reason: string): Problem {
  const why = `${harmless(refusalOf(attributes, user))}${reason === '' ? '' : `: ${reason}`}`;
  if (!isOfResource(attributes)) return problem(403, 'Forbidden', `forbidden: ${why}`, {});
  const { group, resource, name } = attributes;
  if (name !== '') return forbidden({ group, resource }, name, why);
  const qualified = group === '' ? resource : `${resource}.${group}`;
  const details = { ...group === '' ? {} : { group }, kind: resource };
  return problem(403, 'Forbidden', `${qualified} is forbidden: ${why}`, details);
}

function refusalOf(attributes: Attributes, { name }: UserInfo): string {
  const who = `User ${JSON.stringify(name)} cannot ${attributes.verb}`;
  if (!isOfResource(attributes)) return `${who} path ${JSON.stringify(attributes.path)}`;
  const { group, resource, subresource, namespace } = attributes;
  const what = JSON.stringify(subresource === '' ? resource : `${resource}/${subresource}`);
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  return `${who} resource ${what} in API group ${JSON.stringify(group)} ${where}`;
}

/** What a browser might take for HTML is not one here. */
const harmless = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
