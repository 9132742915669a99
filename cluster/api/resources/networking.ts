// networking.k8s.io/v1: Ingress, IngressClass, NetworkPolicy, IPAddress, ServiceCIDR. Nothing in Shoal acts
// on them yet. Source: Kubernetes, pkg/apis/networking/validation and pkg/printers/internalversion.

import type { Resource } from '../resource.ts';
import type { KubeObject } from '../types.ts';
import { ageColumn, nameColumn, selectorText, text, textOf } from './columns.ts';
import { cidrContains, cidrErrors, parseCidr } from './cidr.ts';
import { at, eachAt, fieldsOf, filled, isMissing, listAt, textAt, textsAt, withAt } from './fields.ts';
import { validateIngress, validateTypedReference } from './ingressvalidate.ts';
import { served, statusful } from './kind.ts';
import { canonicalIp, isIp, portNameErrors, portNumberErrors } from './names.ts';
import { among, each, fixed, judge, onCreate, onUpdate, pathSegment, selector, subdomain } from './rules.ts';
import {
  forbidden, immutableMessage, invalid, invalidEach, notSupported, required, tooLong, tooMany,
} from './validate.ts';
import type { Errors } from './validate.ts';
import { validateLabelSelector } from './workload.ts';

const group = 'networking.k8s.io';

// ── Ingress and IngressClass ─────────────────────────────────────────────────────────────────────────────

export const ingress: Resource = served({
  group, kind: 'Ingress', shortNames: ['ing'], hasGeneration: true, ...statusful({ loadBalancer: {} }),
  columns: [
    nameColumn, textOf('Class', 'spec.ingressClassName', '<none>'),
    text('Hosts', 'Hosts of the rules.', hosts), text('Address', 'Where it is served.', addresses),
    text('Ports', 'Ports on which it is served.',
      (one) => (isMissing(at(one, 'spec.tls')) ? '80' : '80, 443')),
    ageColumn,
  ],
  validate: judge(each('spec', validateIngress), onCreate((errors, one) => {
    const annotation = 'kubernetes.io/ingress.class', given = one.metadata.annotations?.[annotation];
    if (given === undefined || at(one, 'spec.ingressClassName') === undefined) return;
    invalid(errors, `annotations.${annotation}`, given, 'can not be set when the class field is also set');
  })),
});

function hosts(one: KubeObject): string {
  const rules = listAt(one, 'spec.rules').map((rule) => textAt(rule, 'host'));
  const shown = rules.filter((host) => host !== '').slice(0, 3);
  if (shown.length === 0) return '*';
  const more = rules.length > 3 && shown.length === 3;
  return more ? `${shown.join(',')} + ${rules.length - 3} more...` : shown.join(',');
}

function addresses(one: KubeObject): string {
  const all = listAt(one, 'status.loadBalancer.ingress')
    .map((each) => textAt(each, 'ip') || textAt(each, 'hostname')).filter((each) => each !== '');
  return [...new Set(all)].sort().join(',');
}

export const ingressClass: Resource = served({
  group, kind: 'IngressClass', hasGeneration: true,
  columns: [
    nameColumn, textOf('Controller', 'spec.controller'),
    text('Parameters', 'Where the controller finds more.', (one) => {
      const given = at(one, 'spec.parameters');
      if (given === undefined) return '<none>';
      const { kind = '', apiGroup, name = '' } = fieldsOf(given);
      return `${String(kind)}${apiGroup === undefined ? '' : `.${String(apiGroup)}`}/${String(name)}`;
    }),
    ageColumn,
  ],
  defaults: (one) => (at(one, 'spec.parameters') === undefined ? one
    : filled(one, { 'spec.parameters.scope': 'Cluster' })),
  validate: judge(
    fixed('spec.controller'), each('spec.controller', validateController),
    each('spec.parameters?', validateParameters),
  ),
});

const controllerCharsMax = 250;

function validateController(errors: Errors, value: unknown, path: string): void {
  const name = typeof value === 'string' ? value : '';
  if (name.length > controllerCharsMax) tooLong(errors, path, controllerCharsMax);
  if (name === '') return required(errors, path);
  const cut = name.indexOf('/'), domain = name.slice(0, Math.max(cut, 0)), rest = name.slice(cut + 1);
  if (cut <= 0 || rest === '') {
    return invalid(errors, path, name, 'must be a domain-prefixed path (such as "acme.io/foo")');
  }
  invalidEach(errors, path, domain, subdomain(domain));
  // What a path of a URL may hold.
  return /^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(rest) ? undefined
    : invalid(errors, path, rest, 'Invalid path');
}

function validateParameters(errors: Errors, value: unknown, path: string): void {
  const { scope, namespace } = fieldsOf(value);
  validateTypedReference(errors, value, path);
  if (scope === undefined) return required(errors, `${path}.scope`);
  if (scope !== 'Cluster' && scope !== 'Namespace') {
    return notSupported(errors, `${path}.scope`, scope, ['Cluster', 'Namespace']);
  }
  if (scope === 'Cluster') {
    if (namespace === undefined) return undefined;
    return forbidden(errors, `${path}.namespace`, '`parameters.scope` is set to \'Cluster\'');
  }
  if (isMissing(namespace)) {
    return required(errors, `${path}.namespace`, '`parameters.scope` is set to \'Namespace\'');
  }
  return invalidEach(errors, `${path}.namespace`, namespace, subdomain(String(namespace)));
}

// ── NetworkPolicy ────────────────────────────────────────────────────────────────────────────────────────

const directions = [['ingress', 'from'], ['egress', 'to']] as const;

export const networkPolicy: Resource = served({
  group, kind: 'NetworkPolicy', shortNames: ['netpol'], hasGeneration: true,
  columns: [
    nameColumn,
    text('Pod-Selector', 'Pods that it is about, by their labels.',
      (one) => selectorText(fieldsOf(at(one, 'spec.podSelector')))),
    ageColumn,
  ],
  defaults: (one) => {
    const types = listAt(one, 'spec.egress').length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
    let out = isMissing(at(one, 'spec.policyTypes')) ? withAt(one, 'spec.policyTypes', types) : one;
    for (const [direction] of directions) {
      const rules = listAt(out, `spec.${direction}`);
      if (rules.length > 0) out = withAt(out, `spec.${direction}`, rules.map(withProtocols));
    }
    return out;
  },
  validate: judge(
    selector('spec.podSelector'),
    ...directions.flatMap(([direction, peers]) => [
      each(`spec.${direction}[].ports[]`, validatePort), each(`spec.${direction}[].${peers}[]`, validatePeer),
    ]),
    (errors, one) => {
      const types = textsAt(one, 'spec.policyTypes'), path = 'spec.policyTypes';
      if (types.length > 2) invalid(errors, path, types, 'may not specify more than two policyTypes');
      else among(`${path}[]`, ['Ingress', 'Egress'])(errors, one, null, '');
    },
  ),
});

function withProtocols(rule: unknown): unknown {
  const ports = listAt(rule, 'ports').map((port) =>
    (isMissing(at(port, 'protocol')) ? { ...fieldsOf(port), protocol: 'TCP' } : port));
  return ports.length === 0 ? rule : { ...fieldsOf(rule), ports };
}

function validatePort(errors: Errors, value: unknown, path: string): void {
  const { protocol, port, endPort } = fieldsOf(value);
  if (protocol !== undefined && !['TCP', 'UDP', 'SCTP'].includes(String(protocol))) {
    notSupported(errors, `${path}.protocol`, protocol, ['TCP', 'UDP', 'SCTP']);
  }
  if (typeof port === 'number') {
    invalidEach(errors, `${path}.port`, port, portNumberErrors(port));
    if (typeof endPort !== 'number') return;
    if (endPort < port) {
      invalid(errors, `${path}.endPort`, endPort, 'must be greater than or equal to `port`');
    }
    invalidEach(errors, `${path}.endPort`, endPort, portNumberErrors(endPort));
  } else if (endPort !== undefined) {
    if (port === undefined) required(errors, `${path}.port`, 'must be specified when `endPort` is specified');
    else invalid(errors, `${path}.endPort`, endPort, 'may not be specified when `port` is non-numeric');
  }
  if (typeof port === 'string') invalidEach(errors, `${path}.port`, port, portNameErrors(port));
}

function validatePeer(errors: Errors, value: unknown, path: string): void {
  const { podSelector, namespaceSelector, ipBlock } = fieldsOf(value);
  for (const [name, given] of Object.entries({ podSelector, namespaceSelector })) {
    if (given !== undefined) validateLabelSelector(errors, fieldsOf(given), `${path}.${name}`);
  }
  if (ipBlock !== undefined) validateBlock(errors, ipBlock, `${path}.ipBlock`);
  const selects = podSelector !== undefined || namespaceSelector !== undefined;
  if (ipBlock === undefined && !selects) required(errors, path, 'must specify a peer');
  if (ipBlock !== undefined && selects) {
    forbidden(errors, path, 'may not specify both ipBlock and another peer');
  }
}

function validateBlock(errors: Errors, value: unknown, path: string): void {
  const cidr = textAt(value, 'cidr');
  if (cidr === '') return required(errors, `${path}.cidr`);
  const outer = parseCidr(cidr);
  if (outer === null) return invalidEach(errors, `${path}.cidr`, cidr, cidrErrors(cidr));
  return eachAt(value, 'except[]', (inner, here) => {
    const found = parseCidr(String(inner));
    if (found === null) return invalidEach(errors, `${path}.${here}`, inner, cidrErrors(String(inner)));
    if (cidrContains(outer, found) && found.bits > outer.bits) return undefined;
    return invalid(errors, `${path}.${here}`, inner, 'must be a strict subset of `cidr`');
  });
}

// ── IPAddress and ServiceCIDR ────────────────────────────────────────────────────────────────────────────

export const ipAddress: Resource = served({
  group, kind: 'IPAddress', shortNames: ['ip'], nameRule: 'path-segment',
  columns: [
    nameColumn,
    text('ParentRef', 'What the address was given to.', (one) => {
      const ref = at(one, 'spec.parentRef');
      if (ref === undefined) return '<none>';
      const parent = ['group', 'namespace', 'name', 'resource'].map((name) => textAt(ref, name));
      const [of, namespace, name, resource] = parent;
      const what = `${resource}${of ? `.${of}` : ''}`.toLowerCase();
      return `${what}${namespace ? `/${namespace}` : ''}/${name}`;
    }),
  ],
  validate: judge(
    (errors, { metadata: { name } }) => {
      if (isIp(name) && canonicalIp(name) === name) return;
      invalid(errors, 'metadata.name', name, isIp(name) ? `must be in canonical form ("${canonicalIp(name)}")`
        : 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)');
    },
    (errors, one) => validateParent(errors, at(one, 'spec.parentRef'), 'spec.parentRef'),
    fixed('spec.parentRef'),
  ),
});

function validateParent(errors: Errors, value: unknown, path: string): void {
  if (value === undefined) return required(errors, path);
  const { group: of, resource, namespace, name } = fieldsOf(value);
  if (!isMissing(of)) invalidEach(errors, `${path}.group`, of, subdomain(String(of)));
  if (isMissing(resource)) required(errors, `${path}.resource`);
  else invalidEach(errors, `${path}.resource`, resource, pathSegment(String(resource)));
  if (isMissing(name)) required(errors, `${path}.name`);
  else invalidEach(errors, `${path}.name`, name, pathSegment(String(name)));
  if (!isMissing(namespace)) {
    invalidEach(errors, `${path}.namespace`, namespace, pathSegment(String(namespace)));
  }
}

export const serviceCidr: Resource = served({
  group, kind: 'ServiceCIDR', ...statusful(),
  columns: [
    nameColumn, text('CIDRs', 'Ranges of the addresses of services.',
      (one) => textsAt(one, 'spec.cidrs').join(',')), ageColumn,
  ],
  validate: judge(validateCidrs, onUpdate(validateKept)),
});

function validateCidrs(errors: Errors, one: KubeObject): void {
  const cidrs = textsAt(one, 'spec.cidrs'), path = 'spec.cidrs';
  if (cidrs.length === 0) return required(errors, path, 'at least one CIDR required');
  if (cidrs.length > 2) return tooMany(errors, path, cidrs.length, 2);
  for (const [i, cidr] of cidrs.entries()) {
    invalidEach(errors, `${path}[${i}]`, cidr, cidrErrors(cidr));
  }
  const families = cidrs.map((cidr) => parseCidr(cidr)?.bytes.length);
  if (cidrs.length === 2 && families[0] !== undefined && families[0] === families[1]) {
    invalid(errors, path, cidrs, 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and '
      + '2001:db8::/64');
  }
}

/** A range may get one of the other family beside it, and nothing else. */
function validateKept(errors: Errors, one: KubeObject, old: KubeObject): void {
  const now = textsAt(one, 'spec.cidrs'), before = textsAt(old, 'spec.cidrs');
  if (now.length < before.length) return invalid(errors, 'spec.cidrs', now, immutableMessage);
  return before.forEach((cidr, i) => {
    if (now[i] !== cidr) invalid(errors, `spec.cidrs[${i}]`, now[i], immutableMessage);
  });
}
