// resource.k8s.io/v1 (dynamic resource allocation): what drivers offer, and what pods claim of it. Nothing in
// Shoal allocates yet. Source: Kubernetes, pkg/apis/resource/validation and v1 defaults, printResourceClaim.

import { canonicalQuantity } from '../quantity.ts';
import type { Resource } from '../resource.ts';
import type { KubeObject } from '../types.ts';
import { ageColumn, nameColumn, text, textOf } from './columns.ts';
import { validateDriver, validateOpaque, validateRequests, validateSelectors } from './claimvalidate.ts';
import { at, fieldsOf, filled, isMissing, listAt, textAt, textsAt, withAt } from './fields.ts';
import { sealedStatus, served, statusful } from './kind.ts';
import { labelKeyErrors } from './names.ts';
import { each, fixed, judge, label, named, onUpdate, subdomain, unique } from './rules.ts';
import {
  duplicate, invalid, invalidEach, immutableMessage, required, sameJson, tooLong, tooMany,
} from './validate.ts';
import type { Errors } from './validate.ts';

const group = 'resource.k8s.io';

// ── DeviceClass ──────────────────────────────────────────────────────────────────────────────────────────

export const deviceClass: Resource = served({
  group, kind: 'DeviceClass', hasGeneration: true, columns: [nameColumn, ageColumn],
  validate: judge(
    each('spec.selectors', validateSelectors), each('spec.config[]', validateOpaque),
    each('spec.extendedResourceName', (errors, value, path) => {
      const name = typeof value === 'string' ? value : '';
      if (value === undefined) return;
      invalidEach(errors, path, name, labelKeyErrors(name));
      if (!name.includes('/')) invalid(errors, path, name, 'must be a valid extended resource name');
    }),
  ),
});

// ── claims ───────────────────────────────────────────────────────────────────────────────────────────────

function withModes(one: KubeObject, path: string): KubeObject {
  const requests = listAt(one, path);
  if (requests.length === 0) return one;
  const device = (given: unknown): unknown => {
    const mode = textAt(given, 'allocationMode') || 'ExactCount';
    const tolerations = listAt(given, 'tolerations').map((each) =>
      (isMissing(at(each, 'operator')) ? { ...fieldsOf(each), operator: 'Equal' } : each));
    return {
      ...fieldsOf(given), allocationMode: mode,
      ...mode === 'ExactCount' ? { count: at(given, 'count') || 1 } : {},
      ...tolerations.length === 0 ? {} : { tolerations },
    };
  };
  return withAt(one, path, requests.map((request) => {
    const exactly = at(request, 'exactly'), available = listAt(request, 'firstAvailable');
    return {
      ...fieldsOf(request), ...exactly === undefined ? {} : { exactly: device(exactly) },
      ...available.length === 0 ? {} : { firstAvailable: available.map(device) },
    };
  }));
}

const reservedMax = 256;

export const resourceClaim: Resource = served({
  group, kind: 'ResourceClaim', ...statusful({}, sealedStatus),
  columns: [nameColumn, text('State', 'Whether it is allocated, and reserved.', claimState), ageColumn],
  defaults: (one) => withModes(one, 'spec.devices.requests'),
  validate: judge(
    each('spec.devices', validateRequests), fixed('spec'), unique('status.reservedFor', 'uid'),
    each('status.reservedFor[]', (errors, value, path, object) => {
      for (const field of ['resource', 'name', 'uid']) {
        if (isMissing(at(value, field))) required(errors, `${path}.${field}`);
      }
      if (at(object, 'status.allocation') !== undefined) return;
      invalid(errors, 'status.reservedFor', value, 'may not be set when `allocated` is not set');
    }),
    (errors, one) => {
      const count = listAt(one, 'status.reservedFor').length;
      if (count > reservedMax) tooMany(errors, 'status.reservedFor', count, reservedMax);
    },
    each('status.allocation?.devices.results[]', (errors, value, path) => {
      validateDriver(errors, at(value, 'driver'), `${path}.driver`);
      for (const field of ['request', 'pool', 'device']) {
        if (isMissing(at(value, field))) required(errors, `${path}.${field}`);
      }
    }),
    onUpdate((errors, one, old) => {
      const now = at(one, 'status.allocation'), before = at(old, 'status.allocation');
      if (now === undefined || before === undefined || sameJson(now, before)) return;
      invalid(errors, 'status.allocation', now, immutableMessage);
    }),
  ),
});

function claimState(one: KubeObject): string {
  const deleted = one.metadata.deletionTimestamp !== undefined;
  const states = deleted ? ['deleted'] : [];
  if (at(one, 'status.allocation') === undefined) {
    if (!deleted) states.push('pending');
  } else {
    states.push('allocated');
    if (listAt(one, 'status.reservedFor').length > 0) states.push('reserved');
  }
  return states.join(',');
}

export const resourceClaimTemplate: Resource = served({
  group, kind: 'ResourceClaimTemplate', columns: [nameColumn, ageColumn],
  defaults: (one) => withModes(one, 'spec.spec.devices.requests'),
  validate: judge(each('spec.spec.devices', validateRequests), fixed('spec')),
});

// ── ResourceSlice ────────────────────────────────────────────────────────────────────────────────────────

const devicesMax = 128, poolCharsMax = 253;
const places = ['nodeName', 'nodeSelector', 'allNodes', 'perDeviceNodeSelection'];

export const resourceSlice: Resource = served({
  group, kind: 'ResourceSlice', hasGeneration: true,
  columns: [
    nameColumn, textOf('Node', 'spec.nodeName'), textOf('Driver', 'spec.driver'),
    textOf('Pool', 'spec.pool.name'), ageColumn,
  ],
  fields: {
    'spec.driver': (one) => textAt(one, 'spec.driver'),
    'spec.nodeName': (one) => textAt(one, 'spec.nodeName'),
  },
  defaults: (one) => {
    const devices = listAt(one, 'spec.devices');
    const known = at(one, 'spec.pool') === undefined ? one : filled(one, { 'spec.pool.generation': 0 });
    return devices.length === 0 ? known : withAt(known, 'spec.devices', devices.map(canonicalDevice));
  },
  validate: judge(
    each('spec.driver', validateDriver), each('spec.pool', validatePool),
    each('spec', (errors, value, path) => {
      const given = places.filter((name) => !isMissing(at(value, name)) && at(value, name) !== false);
      const words = places.map((name) => `\`${name}\``).join(', ');
      if (given.length === 0) required(errors, path, `exactly one of ${words} is required`);
      if (given.length > 1) {
        invalid(errors, path, `{${given.map((name) => `\`${name}\``).join(', ')}}`,
          `exactly one of ${words} is required, but multiple fields are set`);
      }
    }),
    each('spec.nodeName', (errors, value, path) => {
      if (typeof value === 'string') invalidEach(errors, path, value, subdomain(value));
    }),
    (errors, one) => {
      const count = listAt(one, 'spec.devices').length;
      if (count > devicesMax) tooMany(errors, 'spec.devices', count, devicesMax);
    },
    named('spec.devices[].name', label), unique('spec.devices', 'name'),
    each('spec.devices[]', validateAttributes),
    fixed('spec.driver'), fixed('spec.pool.name'), fixed('spec.nodeName'),
  ),
});

function canonicalDevice(device: unknown): unknown {
  const capacity = at(device, 'capacity');
  if (capacity === undefined) return device;
  const amounts = Object.entries(fieldsOf(capacity)).map(([name, one]) =>
    [name, { ...fieldsOf(one), value: canonicalQuantity(String(at(one, 'value') ?? '0')) }] as const);
  return { ...fieldsOf(device), capacity: Object.fromEntries(amounts) };
}

function validatePool(errors: Errors, value: unknown, path: string): void {
  const name = textAt(value, 'name'), count = at(value, 'resourceSliceCount') ?? 0;
  if (name === '') required(errors, `${path}.name`);
  else {
    if (name.length > poolCharsMax) {
      tooLong(errors, `${path}.name`, poolCharsMax);
    }
    for (const part of name.split('/')) invalidEach(errors, `${path}.name`, part, subdomain(part));
  }
  if (Number(count) <= 0) invalid(errors, `${path}.resourceSliceCount`, count, 'must be greater than zero');
  const generation = Number(at(value, 'generation') ?? 0);
  if (generation < 0) {
    invalid(errors, `${path}.generation`, generation, 'must be greater than or equal to zero');
  }
}

const valueTypes = ['bool', 'int', 'string', 'version'], attributesMax = 32;

function validateAttributes(errors: Errors, value: unknown, path: string): void {
  const attributes = Object.entries(fieldsOf(at(value, 'attributes')));
  const total = attributes.length + Object.keys(fieldsOf(at(value, 'capacity'))).length;
  if (total > attributesMax) {
    invalid(errors, path, total,
      `the total number of attributes and capacities must not exceed ${attributesMax}`);
  }
  for (const [name, given] of attributes) {
    const here = `${path}.attributes[${name}]`;
    const set = valueTypes.filter((type) => at(given, type) !== undefined);
    const words = valueTypes.map((type) => `\`${type}\``).join(', ');
    if (set.length === 0) required(errors, here, `exactly one of ${words} is required`);
    if (set.length > 1) {
      invalid(errors, here, given, `exactly one of ${words} is required, but multiple fields are set`);
    }
    const id = name.includes('/') ? name.slice(name.indexOf('/') + 1) : name;
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,31}$/.test(id)) {
      invalid(errors, here, id,
        "a valid C identifier must start with alphabetic character or '_', followed by a "
        + "string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used "
        + "for validation is '[A-Za-z_][A-Za-z0-9_]*')");
    }
  }
  const taints = listAt(value, 'taints');
  for (const [i, taint] of taints.entries()) {
    const { key, effect } = fieldsOf(taint);
    if (isMissing(key)) required(errors, `${path}.taints[${i}].key`);
    if (isMissing(effect)) required(errors, `${path}.taints[${i}].effect`);
  }
  const names = textsAt(value, 'bindingConditions');
  for (const [i, name] of names.entries()) {
    if (names.indexOf(name) < i) duplicate(errors, `${path}.bindingConditions[${i}]`, name);
  }
}
