// The signers of the cluster itself: which requests they sign, once somebody has approved them.
// Source: Kubernetes, "Certificates and Certificate Signing Requests: Signers";
// pkg/apis/certificates/helpers.go, pkg/controller/certificates/signer.

import type { Usage } from './issue.ts';
import type { CertificateRequest } from './request.ts';

export const apiClientSigner = 'kubernetes.io/kube-apiserver-client';
export const kubeletClientSigner = 'kubernetes.io/kube-apiserver-client-kubelet';
export const kubeletServingSigner = 'kubernetes.io/kubelet-serving';

/** Whether a signer signs this: what for, or why not. Null: it is none of the cluster's. */
export function accepted(
  signer: string, request: CertificateRequest, usages: readonly string[],
): readonly Usage[] | string | null {
  switch (signer) {
    case apiClientSigner: return ofApiClient(usages);
    case kubeletClientSigner: return kubeletProblem(request, usages, 'client auth') ?? known(usages);
    case kubeletServingSigner: return kubeletProblem(request, usages, 'server auth') ?? known(usages);
    default: return null;
  }
}

const usagesKnown: readonly Usage[] = ['digital signature', 'key encipherment', 'client auth', 'server auth'];
const known = (usages: readonly string[]): readonly Usage[] =>
  usagesKnown.filter((usage) => usages.includes(usage));

function ofApiClient(usages: readonly string[]): readonly Usage[] | string {
  const allowed = ['digital signature', 'key encipherment', 'client auth'];
  const other = usages.find((usage) => !allowed.includes(usage));
  if (other !== undefined) return `invalid usage for client certificate: ${other}`;
  return usages.includes('client auth') ? known(usages)
    : 'missing required usage for client certificate: client auth';
}

function kubeletProblem(
  request: CertificateRequest, usages: readonly string[], purpose: Usage,
): string | null {
  const { organizations, commonName, dnsNames, emails, uris, ips } = request;
  const serves = purpose === 'server auth';
  const wanted = ['digital signature', 'key encipherment', purpose].sort();
  if (organizations.length !== 1 || organizations[0] !== 'system:nodes') {
    return 'subject organization is not system:nodes';
  }
  if (serves && dnsNames.length === 0 && ips.length === 0) return 'DNS or IP subjectAltName is required';
  if (!serves && dnsNames.length > 0) return 'DNS subjectAltNames are not allowed';
  if (emails.length > 0) return 'Email subjectAltNames are not allowed';
  if (!serves && ips.length > 0) return 'IP subjectAltNames are not allowed';
  if (uris.length > 0) return 'URI subjectAltNames are not allowed';
  const named = new Set(usages), withoutRsa = wanted.filter((usage) => usage !== 'key encipherment');
  const same = [wanted, withoutRsa].some((set) =>
    set.length === named.size && set.every((usage) => named.has(usage)));
  const node = commonName.startsWith('system:node:') ? null
    : 'subject common name does not begin with system:node:';
  const otherUsages = same ? null : `usages did not match [${wanted.join(' ')}]`;
  return serves ? otherUsages ?? node : node ?? otherUsages;
}
