// Image references: what is one, and when it is pulled.
// Source: the grammar of github.com/distribution/reference; Kubernetes documentation, "Images".

import type { Container } from '../../cluster/api/types.ts';

const component = '[a-z0-9]+(?:(?:\\.|_{1,2}|-+)[a-z0-9]+)*';
const domain = '(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?';
const tag = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}';
const digest = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';
const reference = new RegExp(`^(?:${domain}/)?${component}(?:/${component})*(?::${tag})?(?:@${digest})?$`);

export const isImageReference = (text: string): boolean => text.length <= 1024 && reference.test(text);

/** `Always` where the spec asks for it, or asks for nothing and the image is `latest`. */
export function pullPolicy({ image, imagePullPolicy }: Container): 'Always' | 'IfNotPresent' | 'Never' {
  if (imagePullPolicy !== undefined) return imagePullPolicy;
  const name = image.slice(image.lastIndexOf('/') + 1);
  const isLatest = name.endsWith(':latest') || !/[:@]/.test(name);
  return isLatest ? 'Always' : 'IfNotPresent';
}
