// flowcontrol.apiserver.k8s.io/v1: FlowSchema and PriorityLevelConfiguration.
// Source: Kubernetes, pkg/apis/flowcontrol/validation and v1 defaults, printFlowSchema.

import type { Resource } from '../resource.ts';
import type { KubeObject } from '../types.ts';
import { ageColumn, nameColumn, text, textOf } from './columns.ts';
import { at, fieldsOf, filled, isMissing, listAt, numberAt, numbersOf, textAt, textsAt } from './fields.ts';
import { sealedStatus, served, statusful } from './kind.ts';
import { nameErrors } from './names.ts';
import { atLeast, each, judge, named, subdomain } from './rules.ts';
import type { Rule } from './rules.ts';
import { duplicate, forbidden, invalid, invalidEach, notSupported, required } from './validate.ts';
import type { Errors } from './validate.ts';

const group = 'flowcontrol.apiserver.k8s.io';

const conditions: Rule = (errors, one) => {
  const seen = new Set<string>();
  for (const [i, condition] of listAt(one, 'status.conditions').entries()) {
    const type = textAt(condition, 'type'), path = `status.conditions[${i}].type`;
    if (seen.has(type)) duplicate(errors, path, type);
    seen.add(type);
    if (type === '') required(errors, path, 'must not be empty');
  }
};

// ── FlowSchema ───────────────────────────────────────────────────────────────────────────────────────────

const precedenceMax = 10_000;
const precedenceOf = (one: KubeObject): number => numberAt(one, 'spec.matchingPrecedence') ?? 0;

export const flowSchema: Resource = served({
  group, kind: 'FlowSchema', hasGeneration: true, ...statusful({}, sealedStatus),
  columns: [
    nameColumn, textOf('PriorityLevel', 'spec.priorityLevelConfiguration.name'),
    textOf('MatchingPrecedence', 'spec.matchingPrecedence', '0'),
    textOf('DistinguisherMethod', 'spec.distinguisherMethod.type', '<none>'), ageColumn,
    text('MissingPL', 'Whether its priority level is missing.', (one) => {
      const dangling = listAt(one, 'status.conditions').find((each) => textAt(each, 'type') === 'Dangling');
      return dangling === undefined ? '?' : textAt(dangling, 'status');
    }),
  ],
  rowOrder: (a, b) => precedenceOf(a) - precedenceOf(b) || (a.metadata.name < b.metadata.name ? -1 : 1),
  defaults: (one) => filled(one, { 'spec.matchingPrecedence': 1000 }),
  validate: judge(
    (errors, one) => {
      const precedence = numberAt(one, 'spec.matchingPrecedence') ?? 0, path = 'spec.matchingPrecedence';
      if (precedence <= 0) invalid(errors, path, precedence, 'must be a positive value');
      if (precedence > precedenceMax) {
        invalid(errors, path, precedence, `must not be greater than ${precedenceMax}`);
      }
      if (precedence === 1 && one.metadata.name !== 'exempt') {
        invalid(errors, path, precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
      }
    },
    each('spec.distinguisherMethod?', (errors, value, path) => {
      const type = textAt(value, 'type'), types = ['ByNamespace', 'ByUser'];
      if (!types.includes(type)) notSupported(errors, `${path}.type`, value, types);
    }),
    named('spec.priorityLevelConfiguration.name', subdomain, 'must reference a priority level'),
    each('spec.rules[]', validateFlowRule), conditions,
  ),
});

function validateFlowRule(errors: Errors, value: unknown, path: string): void {
  const subjects = listAt(value, 'subjects'), resources = listAt(value, 'resourceRules');
  const paths = listAt(value, 'nonResourceRules');
  if (subjects.length === 0) {
    required(errors, `${path}.subjects`, 'subjects must contain at least one value');
  }
  for (const [i, subject] of subjects.entries()) validateSubject(errors, subject, `${path}.subjects[${i}]`);
  if (resources.length === 0 && paths.length === 0) {
    required(errors, path, 'at least one of resourceRules and nonResourceRules has to be non-empty');
  }
  for (const [i, rule] of resources.entries()) {
    validateResourceRule(errors, rule, `${path}.resourceRules[${i}]`);
  }
  for (const [i, rule] of paths.entries()) validatePathRule(errors, rule, `${path}.nonResourceRules[${i}]`);
}

const subjectFields = [['ServiceAccount', 'serviceAccount'], ['User', 'user'], ['Group', 'group']] as const;

function validateSubject(errors: Errors, value: unknown, path: string): void {
  const kind = textAt(value, 'kind'), field = subjectFields.find(([name]) => name === kind)?.[1];
  if (field === undefined) {
    return notSupported(errors, `${path}.kind`, kind, ['Group', 'ServiceAccount', 'User']);
  }
  const own = at(value, field), here = `${path}.${field}`;
  if (own === undefined) required(errors, here, `${field} is required when subject kind is '${kind}'`);
  else {
    const { name, namespace } = fieldsOf(own);
    if (isMissing(name)) required(errors, `${here}.name`);
    else if (field === 'serviceAccount' && name !== '*') {
      invalidEach(errors, `${here}.name`, name, subdomain(String(name)));
    }
    if (field === 'serviceAccount') {
      if (isMissing(namespace)) {
        required(errors, `${here}.namespace`, 'must specify namespace for service account');
      } else invalidEach(errors, `${here}.namespace`, namespace, nameErrors(String(namespace), 'label'));
    }
  }
  for (const [other, name] of subjectFields) {
    if (name === field || at(value, name) === undefined) continue;
    forbidden(errors, `${path}.${name}`, `${name} is forbidden when subject kind is not '${other}'`);
  }
  return undefined;
}

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];

function validateVerbs(errors: Errors, value: unknown, path: string): void {
  const given = textsAt(value, 'verbs'), here = `${path}.verbs`;
  if (given.length === 0) return required(errors, here, 'verbs must contain at least one value');
  if (given.includes('*')) {
    if (given.length === 1) return undefined;
    return invalid(errors, here, given, "if '*' is present, must not specify other verbs");
  }
  return given.every((verb) => verbs.includes(verb)) ? undefined : notSupported(errors, here, given, verbs);
}

function validateResourceRule(errors: Errors, value: unknown, path: string): void {
  validateVerbs(errors, value, path);
  for (const [field, one, many] of [
    ['apiGroups', 'api group', 'api groups'], ['resources', 'resource', 'resources'],
  ] as const) {
    const given = textsAt(value, field);
    const missing = `resource rules must supply at least one ${one}`;
    if (given.length === 0) required(errors, `${path}.${field}`, missing);
    else if (given.length > 1 && given.includes('*')) {
      invalid(errors, `${path}.${field}`, given, `if '*' is present, must not specify other ${many}`);
    }
  }
  const namespaces = textsAt(value, 'namespaces'), here = `${path}.namespaces`;
  if (namespaces.length === 0 && at(value, 'clusterScope') !== true) {
    required(errors, here, 'resource rules that are not cluster scoped must supply at least one namespace');
  } else if (namespaces.includes('*')) {
    if (namespaces.length === 1) return;
    invalid(errors, here, namespaces, "if '*' is present, must not specify other namespaces");
  } else {
    for (const [i, name] of namespaces.entries()) {
      invalidEach(errors, `${here}[${i}]`, name, nameErrors(name, 'label')
        .map((why) => `each member of this list must be '*' or a DNS-1123 label; ${why}`));
    }
  }
}

function validatePathRule(errors: Errors, value: unknown, path: string): void {
  validateVerbs(errors, value, path);
  const given = textsAt(value, 'nonResourceURLs'), here = `${path}.nonResourceURLs`;
  if (given.length === 0) {
    return required(errors, here, 'nonResourceURLs must contain at least one value');
  }
  if (given.includes('*')) {
    if (given.length === 1) return undefined;
    return invalid(errors, here, given, "if '*' is present, must not specify other non-resource URLs");
  }
  return given.forEach((url, i) => {
    const wrong = pathError(url);
    if (wrong !== null) invalid(errors, `${here}[${i}]`, url, wrong);
  });
}

function pathError(path: string): string | null {
  if (path === '') return 'must not be empty';
  if (path === '/') return null;
  if (!path.startsWith('/')) return 'must start with slash';
  if (path.includes(' ')) return 'must not contain white-space';
  if (path.includes('//')) return 'must not contain double slash';
  const stars = path.split('*').length - 1;
  return stars > 1 || (stars === 1 && !path.endsWith('/*')) ? 'wildcard can only do suffix matching' : null;
}

// ── PriorityLevelConfiguration ───────────────────────────────────────────────────────────────────────────

const queuesMax = 10_000_000, entropyBitsMax = 60;

export const priorityLevelConfiguration: Resource = served({
  group, kind: 'PriorityLevelConfiguration', hasGeneration: true, ...statusful({}, sealedStatus),
  columns: [
    nameColumn, textOf('Type', 'spec.type'),
    textOf('NominalConcurrencyShares', 'spec.limited.nominalConcurrencyShares', '<none>'),
    ...[['Queues', 'queues'], ['HandSize', 'handSize'], ['QueueLengthLimit', 'queueLengthLimit']]
      .map(([name = '', field = '']) =>
        textOf(name, `spec.limited.limitResponse.queuing.${field}`, '<none>')),
    ageColumn,
  ],
  defaults: (one) => {
    if (at(one, 'spec.exempt') !== undefined || textAt(one, 'spec.type') === 'Exempt') {
      return filled(one, { 'spec.exempt.nominalConcurrencyShares': 0, 'spec.exempt.lendablePercent': 0 });
    }
    if (at(one, 'spec.limited') === undefined) return one;
    const queuing = 'spec.limited.limitResponse.queuing';
    return filled(one, {
      'spec.limited.nominalConcurrencyShares': 30, 'spec.limited.lendablePercent': 0,
      ...at(one, queuing) === undefined ? {}
        : { [`${queuing}.queues`]: 64, [`${queuing}.handSize`]: 8, [`${queuing}.queueLengthLimit`]: 50 },
    });
  },
  validate: judge(
    validateLevel,
    ...['limited', 'exempt'].flatMap((name) => [
      atLeast(`spec.${name}?.nominalConcurrencyShares`, 0, 'must be a non-negative integer'),
      each(`spec.${name}?.lendablePercent`, (errors, value, path) => {
        if (typeof value === 'number' && value >= 0 && value <= 100) return;
        if (value !== undefined) invalid(errors, path, value, 'must be between 0 and 100, inclusive');
      }),
    ]),
    each('spec.limited?.borrowingLimitPercent', (errors, value, path) => {
      if (typeof value !== 'number' || value >= 0) return;
      invalid(errors, path, value, 'if specified, must be a non-negative integer');
    }),
    each('spec.limited?.limitResponse', validateResponse), conditions,
  ),
});

function validateLevel(errors: Errors, one: KubeObject): void {
  const type = textAt(one, 'spec.type'), { limited, exempt } = fieldsOf(at(one, 'spec'));
  if ((one.metadata.name === 'exempt') !== (type === 'Exempt')) {
    invalid(errors, 'spec.type', type, "type must be 'Exempt' if and only if name is 'exempt'");
  }
  switch (type) {
    case 'Exempt':
      if (limited === undefined) return;
      return forbidden(errors, 'spec.limited', 'must be nil if the type is not Limited');
    case 'Limited':
      if (exempt !== undefined) forbidden(errors, 'spec.exempt', 'must be nil if the type is Limited');
      if (limited !== undefined) return;
      return required(errors, 'spec.limited', 'must not be empty when type is Limited');
    default: return notSupported(errors, 'spec.type', type, ['Exempt', 'Limited']);
  }
}

function validateResponse(errors: Errors, value: unknown, path: string): void {
  const { type = '', queuing } = fieldsOf(value), here = `${path}.queuing`;
  switch (type) {
    case 'Reject':
      if (queuing === undefined) return;
      return forbidden(errors, here, 'must be nil if limited.limitResponse.type is not Limited');
    case 'Queue':
      if (queuing !== undefined) return validateQueuing(errors, queuing, here);
      return required(errors, here, 'must not be empty if limited.limitResponse.type is Limited');
    default: return notSupported(errors, `${path}.type`, type, ['Queue', 'Reject']);
  }
}

function validateQueuing(errors: Errors, value: unknown, path: string): void {
  const { queues = 0, handSize = 0, queueLengthLimit = 0 } = numbersOf(value);
  const wrong = (field: string, given: number, why: string): void =>
    invalid(errors, `${path}.${field}`, given, why);
  if (queueLengthLimit <= 0) wrong('queueLengthLimit', queueLengthLimit, 'must be positive');
  if (queues <= 0) wrong('queues', queues, 'must be positive');
  else if (queues > queuesMax) wrong('queues', queues, `must not be greater than ${queuesMax}`);
  if (handSize <= 0) return wrong('handSize', handSize, 'must be positive');
  if (handSize > queues) return wrong('handSize', handSize, `should not be greater than queues (${queues})`);
  // Bits that tell one hand from another: as many as the number of ordered draws has.
  let bits = 0;
  for (let i = 0; i < handSize && bits <= entropyBitsMax; i++) bits += Math.log2(queues - i);
  const needed = Math.ceil(bits);
  return needed <= entropyBitsMax ? undefined : wrong('handSize', handSize,
    `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than `
    + `${entropyBitsMax}`);
}
