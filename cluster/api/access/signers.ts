// Who may decide about CertificateSigningRequests: beyond the right to write the subresource, approving takes
// the verb `approve`, signing the verb `sign`, on the signer that is asked. And nobody becomes an
// administrator of the cluster by a certificate.
// Source: Kubernetes, admission plugins CertificateApproval, CertificateSigning and
// CertificateSubjectRestriction.

import type { State } from '../../state/state.ts';
import { apiClientSigner } from '../certificates/signers.ts';
import { parseRequest } from '../certificates/request.ts';
import type { UserInfo } from '../request.ts';
import { decodeBase64Text } from '../resources/base64.ts';
import { sameJson } from '../resources/validate.ts';
import type { ResourceRoute } from '../route.ts';
import { forbidden } from '../status.ts';
import type { Problem } from '../status.ts';
import type { CertificateSigningRequest, Condition, KubeObject } from '../types.ts';
import { authorize, mastersGroup } from './authorize.ts';

interface Deciding { readonly route: ResourceRoute; readonly user: UserInfo; readonly state: State }

/** Why this may not be written; null where it may. `old` null: it is new. */
export function signerProblem(
  deciding: Deciding, object: KubeObject, old: KubeObject | null,
): Problem | null {
  const { resource, subresource } = deciding.route;
  if (resource.group !== 'certificates.k8s.io' || resource.kind !== 'CertificateSigningRequest') return null;
  const asked = object as CertificateSigningRequest, before = old as CertificateSigningRequest | null;
  const why = before === null ? subjectProblem(asked)
    : subresource === 'approval' ? refusal(deciding, 'approve', before)
      : subresource === 'status' && signs(asked, before) ? refusal(deciding, 'sign', before) : null;
  return why === null ? null : forbidden(resource, object.metadata.name, why);
}

function subjectProblem({ spec }: CertificateSigningRequest): string | null {
  if (spec?.signerName !== apiClientSigner) return null;
  const parsed = parseRequest(decodeBase64Text(spec.request ?? '') ?? '');
  if (typeof parsed === 'string' || !parsed.organizations.includes(mastersGroup)) return null;
  return `use of ${apiClientSigner} signer with ${mastersGroup} group is not allowed`;
}

/** The certificate or the failure changes. */
function signs(asked: CertificateSigningRequest, before: CertificateSigningRequest): boolean {
  const failure = ({ status }: CertificateSigningRequest): readonly Condition[] =>
    (status?.conditions ?? []).filter(({ type }) => type === 'Failed');
  return (asked.status?.certificate ?? '') !== (before.status?.certificate ?? '')
    || !sameJson(failure(asked), failure(before));
}

function refusal(
  { user, state }: Deciding, verb: string, { spec }: CertificateSigningRequest,
): string | null {
  const name = spec?.signerName ?? '', [domain = ''] = name.split('/');
  const allowed = [name, `${domain}/*`].some((signer) => authorize({
    verb, group: 'certificates.k8s.io', version: '*', resource: 'signers', subresource: '', namespace: '',
    name: signer,
  }, user, state).allowed);
  return allowed ? null : `user not permitted to ${verb} requests with signerName ${JSON.stringify(name)}`;
}
