// Signs what somebody has approved: CertificateSigningRequests for the cluster's own signers, with the
// cluster's CA. Approves a kubelet's client certificate for whoever may have one unasked. And old requests
// go, whatever became of them.
// Source: Kubernetes, pkg/controller/certificates/approver, signer and cleaner.
// What always holds: nothing is approved that no role allows; a request gets one certificate, or fails for
// good.

import { authorize } from '../../cluster/api/access/authorize.ts';
import { authorityIn, authorityKey } from '../../cluster/api/access/authority.ts';
import { issueCertificate } from '../../cluster/api/certificates/issue.ts';
import { parseRequest } from '../../cluster/api/certificates/request.ts';
import { accepted, kubeletClientSigner } from '../../cluster/api/certificates/signers.ts';
import { deletion } from '../../cluster/api/deletion.ts';
import { keyOf, resources, updateOp } from '../../cluster/api/objects.ts';
import { decodeBase64Text, encodeBase64 } from '../../cluster/api/resources/base64.ts';
import { parseTime, rfc3339 } from '../../cluster/api/time.ts';
import type { CertificateSigningRequest, Condition } from '../../cluster/api/types.ts';
import { splitKey } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { get, list } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import { nothing } from './controller.ts';
import type { ControllerDefinition, ReconcileContext, Reconciliation } from './controller.ts';

/** What ends by time: the key comes back by itself. */
const oldKey = 'certificates/old';

export const certificatesController: ControllerDefinition = {
  name: 'certificates',
  component: 'certificate-controller',
  keysOf: (state, { type, key }) => {
    if (key === authorityKey) return allKeys(state);
    return type !== 'DELETED' && splitKey(key).resource === resources.signingRequests ? [key] : [];
  },
  allKeys: (state) => [oldKey, ...allKeys(state)],
  reconcile: (state, key, context) =>
    (key === oldKey ? clean(state, context) : sign(state, key as ObjectKey, context)),
};

const requestsIn = (state: State): readonly CertificateSigningRequest[] =>
  list<CertificateSigningRequest>(state, resources.signingRequests);
const allKeys = (state: State): readonly string[] =>
  requestsIn(state).map((one) => keyOf(resources.signingRequests, one));

const conditionIn = ({ status }: CertificateSigningRequest, type: string): Condition | null =>
  status?.conditions?.find((each) => each.type === type) ?? null;

export function sign(state: State, key: ObjectKey, context: ReconcileContext): Reconciliation {
  const asked = get<CertificateSigningRequest>(state, key), authority = authorityIn(state);
  if (asked === null || authority === null || asked.metadata.deletionTimestamp !== undefined) return nothing;
  if (conditionIn(asked, 'Denied') !== null) return nothing;
  if (conditionIn(asked, 'Approved') === null) return approve(state, asked, context);
  if (conditionIn(asked, 'Failed') !== null || (asked.status?.certificate ?? '') !== '') return nothing;
  const { request = '', signerName = '', usages = [], expirationSeconds } = asked.spec ?? {};
  const parsed = parseRequest(decodeBase64Text(request) ?? '');
  if (typeof parsed === 'string') return nothing;
  const purpose = accepted(signerName, parsed, usages);
  if (purpose === null) return nothing;
  if (typeof purpose === 'string') return write(asked, failed(asked, purpose, context.nowWallMs));
  const issued = issueCertificate(authority, {
    request: parsed, usages: purpose, seconds: secondsOf(expirationSeconds), nowWallMs: context.nowWallMs,
    chance: `${context.newUid()}/${context.newUid()}`,
  });
  // Somebody may bring another CA: it is tried again then.
  if (typeof issued === 'string') return nothing;
  return write(asked, { ...asked.status, certificate: encodeBase64(issued.pem) });
}

// ── approval ─────────────────────────────────────────────────────────────────────────────────────────────

/** What the one who asks must be allowed to create below the requests. */
const approvals = [
  { permission: 'selfnodeclient', own: true,
    message: 'Auto approving self kubelet client certificate after SubjectAccessReview.' },
  { permission: 'nodeclient', own: false,
    message: 'Auto approving kubelet client certificate after SubjectAccessReview.' },
] as const;

function approve(state: State, asked: CertificateSigningRequest, { nowWallMs }: ReconcileContext):
  Reconciliation {
  const { request = '', signerName, usages = [], username: name = '', groups = [] } = asked.spec ?? {};
  const parsed = signerName === kubeletClientSigner ? parseRequest(decodeBase64Text(request) ?? '') : '';
  if (typeof parsed === 'string' || !Array.isArray(accepted(kubeletClientSigner, parsed, usages))) {
    return nothing;
  }
  const found = approvals.find(({ permission, own }) =>
    (!own || parsed.commonName === name) && authorize({
      verb: 'create', group: 'certificates.k8s.io', version: 'v1', resource: 'certificatesigningrequests',
      subresource: permission, namespace: '', name: '',
    }, { name, groups }, state).allowed);
  // A role may be bound later.
  if (found === undefined) return { steps: [], requeueAfterMs: limits.signingRequestsLookMs };
  const at = rfc3339(nowWallMs), { conditions = [] } = asked.status ?? {};
  const condition: Condition = {
    type: 'Approved', status: 'True', reason: 'AutoApproved', message: found.message, lastUpdateTime: at,
    lastTransitionTime: at,
  };
  return write(asked, { ...asked.status, conditions: [...conditions, condition] });
}

type Status = NonNullable<CertificateSigningRequest['status']>;

function write(asked: CertificateSigningRequest, status: Status): Reconciliation {
  return { steps: [{ ops: [updateOp(resources.signingRequests, asked, { ...asked, status })] }] };
}

function failed({ status }: CertificateSigningRequest, message: string, nowWallMs: number): Status {
  const at = rfc3339(nowWallMs);
  const condition: Condition = {
    type: 'Failed', status: 'True', reason: 'SignerValidationFailure', message, lastUpdateTime: at,
    lastTransitionTime: at,
  };
  return { ...status, conditions: [...status?.conditions ?? [], condition] };
}

/** Never longer than a year, never shorter than ten minutes. */
function secondsOf(wanted: number | undefined): number {
  const { certificateSecondsMax, certificateSecondsMin } = limits;
  return Math.max(certificateSecondsMin, Math.min(wanted ?? certificateSecondsMax, certificateSecondsMax));
}

// ── old requests ─────────────────────────────────────────────────────────────────────────────────────────

export function clean(state: State, { nowWallMs }: ReconcileContext): Reconciliation {
  const old = requestsIn(state).filter((one) => isOld(one, nowWallMs)).slice(0, limits.collectedPerCommand);
  const ops = old.flatMap((one) => {
    const op = deletion(resources.signingRequests, one, { nowWallMs });
    return op === null ? [] : [op];
  });
  return ops.length > 0 ? { steps: [{ ops }] }
    : { steps: [], requeueAfterMs: limits.signingRequestsLookMs };
}

/** Signed, denied or failed for an hour, or not decided for a day. */
function isOld(asked: CertificateSigningRequest, nowWallMs: number): boolean {
  const since = (at: string | undefined): number => nowWallMs - (parseTime(at) ?? nowWallMs);
  const decided = ['Approved', 'Denied', 'Failed'].map((type) => conditionIn(asked, type));
  if (decided.every((each) => each === null)) {
    return since(asked.metadata.creationTimestamp) >= limits.signingRequestPendingMs;
  }
  const [approved] = decided, issued = (asked.status?.certificate ?? '') !== '';
  // What is approved and not signed yet waits as long as what is not decided.
  const waits = approved !== null && !issued && decided[1] === null && decided[2] === null;
  const kept = waits ? limits.signingRequestPendingMs : limits.signingRequestDecidedMs;
  return decided.some((each) => each !== null && since(each.lastUpdateTime) >= kept);
}
