// certificates.k8s.io/v1 CertificateSigningRequest: who wants which certificate, who approved it, and the
// certificate once it is signed. Signing is not done here (`certificates/`).
// Source: Kubernetes, pkg/apis/certificates/validation, pkg/registry/certificates (strategies),
// printCertificateSigningRequest.

import type { Asker, Resource } from '../resource.ts';
import { humanDuration, rfc3339 } from '../time.ts';
import type { KubeObject } from '../types.ts';
import { parseRequest } from '../certificates/request.ts';
import { decodeBase64, decodeBase64Text } from './base64.ts';
import { ageColumn, nameColumn, text, textOf } from './columns.ts';
import { at, fieldsOf, isMissing, listAt, numberAt, textAt, withAt } from './fields.ts';
import type { Fields } from './fields.ts';
import { served, statusOf, statusStrategy, withStatus } from './kind.ts';
import { label, subdomain } from './rules.ts';
import { each, judge, need, onUpdate, unique } from './rules.ts';
import {
  duplicate, forbidden, invalid, invalidEach, notSupported, required, sameJson, tooLong,
} from './validate.ts';
import type { Errors } from './validate.ts';

export const certificateSigningRequest: Resource = served({
  group: 'certificates.k8s.io', kind: 'CertificateSigningRequest', shortNames: ['csr'],
  subresources: ['status', 'approval'], nameRule: 'path-segment',
  columns: [
    nameColumn, ageColumn, textOf('SignerName', 'spec.signerName', '<none>'),
    textOf('Requestor', 'spec.username'),
    text('RequestedDuration', 'For how long the certificate is to hold.', (one) => {
      const seconds = numberAt(one, 'spec.expirationSeconds');
      return seconds === undefined ? '<none>' : humanDuration(seconds * 1000);
    }),
    text('Condition', 'What became of the request.', condition),
  ],
  fields: { 'spec.signerName': (one) => textAt(one, 'spec.signerName') },
  prepareCreate: (one, by) => withStatus(withRequestor(one, by), {}),
  // What is asked for never changes.
  prepareUpdate: (one, old) => statusStrategy.prepareUpdate(withAt(one, 'spec', at(old, 'spec')), old),
  prepareStatus: (one, old, by) => {
    const next = statusStrategy.prepareStatus(one, old);
    return withStatus(next, withTimes(statusOf(next), old, by));
  },
  prepareApproval: (one, old, by) => {
    const next = statusStrategy.prepareStatus(one, old);
    const { certificate: _, ...rest } = fieldsOf(statusOf(next));
    const certificate = at(old, 'status.certificate');
    const status = certificate === undefined ? rest : { ...rest, certificate };
    return withStatus(next, withTimes(status, old, by));
  },
  validate: judge(
    each('spec.request', validateRequest), need('spec.usages', 'usages must be provided'),
    each('spec.usages[]', (errors, value, path) => {
      if (!usages.includes(String(value))) notSupported(errors, path, value, usages);
    }),
    unique('spec.usages', ''), each('spec.signerName', validateSigner),
    each('spec.expirationSeconds', (errors, value, path) => {
      if (typeof value === 'number' && value < 600) {
        invalid(errors, path, value, 'may not specify a duration less than 600 seconds (10 minutes)');
      }
    }),
    validateConditions,
    each('status?.certificate', validateCertificate), onUpdate(validateChanges),
  ),
});

function condition(one: KubeObject): string {
  const types = listAt(one, 'status.conditions').map((each) => fieldsOf(each)['type']);
  const word = types.includes('Denied') ? 'Denied' : types.includes('Approved') ? 'Approved' : 'Pending';
  const issued = isMissing(at(one, 'status.certificate')) ? '' : ',Issued';
  return `${word}${types.includes('Failed') ? ',Failed' : ''}${issued}`;
}

/** Whoever asks is who is asked for: clients can't name somebody else. */
function withRequestor(one: KubeObject, by: Asker | undefined): KubeObject {
  const { username: _n, groups: _g, uid: _u, extra: _e, ...spec } = fieldsOf(at(one, 'spec'));
  if (by === undefined) return withAt(one, 'spec', spec);
  const { name, groups, ...more } = by.user, { uid, extra } = fieldsOf(more);
  const who = {
    username: name, ...groups.length === 0 ? {} : { groups }, ...isMissing(uid) ? {} : { uid },
    ...extra === undefined ? {} : { extra },
  };
  return withAt(one, 'spec', { ...spec, ...who });
}

/** Conditions without times get them; one that stays as it was keeps the time of its transition. */
function withTimes(status: unknown, old: KubeObject, by: Asker | undefined): unknown {
  const conditions = listAt(status, 'conditions').map(fieldsOf);
  if (conditions.length === 0 || by === undefined) return status;
  const now = rfc3339(by.nowWallMs), before = listAt(old, 'status.conditions').map(fieldsOf);
  return {
    ...fieldsOf(status),
    conditions: conditions.map((one): Fields => {
      const known = before.find(({ type, status }) => type === one['type'] && status === one['status']);
      return {
        ...one, lastUpdateTime: one['lastUpdateTime'] ?? now,
        lastTransitionTime: one['lastTransitionTime'] ?? known?.['lastTransitionTime'] ?? now,
      };
    }),
  };
}

// ── rules ────────────────────────────────────────────────────────────────────────────────────────────────

const usages = [
  'any', 'cert sign', 'client auth', 'code signing', 'content commitment', 'crl sign', 'data encipherment',
  'decipher only', 'digital signature', 'email protection', 'encipher only', 'ipsec end system',
  'ipsec tunnel', 'ipsec user', 'key agreement', 'key encipherment', 'microsoft sgc', 'netscape sgc',
  'ocsp signing', 's/mime', 'server auth', 'signing', 'timestamping',
];

interface Block { readonly type: string; readonly bytes: Uint8Array | null }

/** The blocks of a PEM text in base64, as it stands on the wire. */
function blocksOf(base64: string): readonly Block[] {
  const bytes = decodeBase64(base64);
  const pem = bytes === null ? '' : new TextDecoder().decode(bytes);
  const pattern = /-----BEGIN ([A-Z0-9 ]{1,64})-----([A-Za-z0-9+/=\s]*)-----END \1-----/g;
  return [...pem.matchAll(pattern)].map(([, type = '', body = '']) =>
    ({ type, bytes: decodeBase64(body.replace(/\s+/g, '')) }));
}

/** A DER sequence whose length is that of the bytes; what is in it is judged by whoever signs. */
function isSequence(bytes: Uint8Array | null): boolean {
  const [tag, length = 0, ...rest] = bytes ?? [];
  if (bytes === null || tag !== 0x30) return false;
  if (length < 0x80) return bytes.length === length + 2;
  const size = length & 0x7f;
  if (size > 4) return false;
  const value = rest.slice(0, size).reduce((sum, byte) => sum * 256 + byte, 0);
  return bytes.length === value + 2 + size;
}

function validateRequest(errors: Errors, value: unknown, path: string): void {
  const text = typeof value === 'string' ? value : '';
  const parsed = parseRequest(decodeBase64Text(text) ?? '');
  if (typeof parsed === 'string') invalid(errors, path, text, parsed);
}

function validateCertificate(errors: Errors, value: unknown, path: string): void {
  if (isMissing(value)) return;
  const blocks = blocksOf(String(value)), wrong = (why: string): void =>
    invalid(errors, path, '<certificate data>', why);
  const other = blocks.find(({ type }) => type !== 'CERTIFICATE');
  if (blocks.length === 0) return wrong('must contain at least one CERTIFICATE PEM block');
  if (other !== undefined) {
    return wrong(`only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(other.type)}`);
  }
  if (!blocks.every(({ bytes }) => isSequence(bytes))) wrong('x509: malformed certificate');
}

function validateSigner(errors: Errors, value: unknown, path: string): void {
  const name = typeof value === 'string' ? value : '';
  if (name === '') return required(errors, path, 'signerName must be provided');
  if (name === 'kubernetes.io/legacy-unknown') {
    return invalid(errors, path, name, 'the legacy signerName is not allowed via this API version');
  }
  const [domain = '', rest = '', ...more] = name.split('/');
  if (more.length > 0 || !name.includes('/')) {
    return invalid(errors, path, name,
      "must be a fully qualified domain and path of the form 'example.com/signer-name'");
  }
  if (domain.length > 253) tooLong(errors, path, 253);
  const labels = domain.split('.'), wrong = labels.find((part) => label(part).length > 0);
  if (wrong !== undefined) {
    invalidEach(errors, path, domain,
      label(wrong).map((why) => `validating label ${JSON.stringify(wrong)}: ${why}`));
  }
  if (labels.length < 2) {
    invalid(errors, path, domain, 'should be a domain with at least two segments separated by dots');
  }
  const bad = rest.split('.').find((part) => subdomain(part).length > 0);
  if (bad === undefined) return undefined;
  return invalidEach(errors, path, rest,
    subdomain(bad).map((why) => `validating label ${JSON.stringify(bad)}: ${why}`));
}

const final = ['Approved', 'Denied', 'Failed'];

function validateConditions(errors: Errors, one: KubeObject): void {
  const seen = new Set<unknown>();
  for (const [i, each] of listAt(one, 'status.conditions').entries()) {
    const { type, status } = fieldsOf(each), path = `status.conditions[${i}]`;
    const allowed = final.includes(String(type)) ? ['True'] : ['False', 'True', 'Unknown'];
    if (isMissing(type)) required(errors, `${path}.type`);
    if (isMissing(status)) required(errors, `${path}.status`);
    else if (!allowed.includes(String(status))) notSupported(errors, `${path}.status`, status, allowed);
    const opposite = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : null;
    if (opposite !== null && seen.has(opposite)) {
      invalid(errors, `${path}.type`, type, 'Approved and Denied conditions are mutually exclusive');
    }
    if (seen.has(type)) duplicate(errors, `${path}.type`, type);
    seen.add(type);
  }
}

/** Approval comes through `approval` alone, a certificate through `status`; neither goes again. */
function validateChanges(errors: Errors, one: KubeObject, old: KubeObject, subresource: string): void {
  const path = 'status.conditions';
  const of = (object: KubeObject, type: string): readonly Fields[] =>
    listAt(object, path).map(fieldsOf).filter((each) => each['type'] === type);
  for (const type of final) {
    const now = of(one, type), before = of(old, type);
    if (now.length < before.length) {
      forbidden(errors, path, `updates may not remove a condition of type ${JSON.stringify(type)}`);
    } else if (subresource !== 'approval' && type !== 'Failed') {
      if (now.length > before.length) {
        forbidden(errors, path, `updates may not add a condition of type ${JSON.stringify(type)}`);
      } else if (!sameJson(now, before)) {
        forbidden(errors, path, `updates may not modify a condition of type ${JSON.stringify(type)}`);
      }
    }
  }
  const now = textAt(one, 'status.certificate'), before = textAt(old, 'status.certificate');
  if (now === before) return;
  if (subresource !== 'status') {
    forbidden(errors, 'status.certificate', 'updates may not set certificate content');
  } else if (before !== '') {
    forbidden(errors, 'status.certificate', 'updates may not modify existing certificate content');
  }
}
