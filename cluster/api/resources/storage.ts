// storage.k8s.io/v1: classes of volumes, drivers, and what is attached where. Nothing in Shoal acts on them
// yet; they are kept for the drivers and provisioners that do.
// Source: Kubernetes, pkg/apis/storage/validation, SetDefaults_*, and pkg/printers/internalversion.

import type { Resource } from '../resource.ts';
import type { KubeObject } from '../types.ts';
import { ageColumn, flagOf, nameColumn, sizeOf, text, textOf } from './columns.ts';
import { at, fieldsOf, filled, listAt, textAt, textsAt, withAt } from './fields.ts';
import { sealedStatus, served, statusful } from './kind.ts';
import { labelKeyErrors } from './names.ts';
import { canonicalQuantity } from '../quantity.ts';
import {
  among, amount, atLeast, each, fixed, frozen, judge, need, onUpdate, qualified, selector, shaped, subdomain,
  unique, named,
} from './rules.ts';
import {
  duplicate, forbidden, immutableMessage, invalid, invalidEach, required, sameJson, tooLong,
} from './validate.ts';
import type { Errors } from './validate.ts';

const parametersMax = 512, parametersBytesMax = 256 * 1024, volumeErrorCharsMax = 1024, nodeIdCharsMax = 192;

/** The name, and that it is the default one, by its annotation. */
const classNameColumn = (annotation: string) => ({
  ...nameColumn,
  value: ({ metadata }: KubeObject): string =>
    metadata.annotations?.[annotation] === 'true' ? `${metadata.name} (default)` : metadata.name,
});

function validateParameters(errors: Errors, value: unknown, path: string): void {
  const entries = Object.entries(fieldsOf(value));
  if (entries.length > parametersMax) return tooLong(errors, path, parametersMax);
  if (entries.some(([key]) => key === '')) invalid(errors, path, '', 'field can not be empty.');
  const bytes = entries.reduce((sum, [key, text]) => sum + key.length + String(text).length, 0);
  return bytes > parametersBytesMax ? tooLong(errors, path, parametersBytesMax) : undefined;
}

/** A driver's name. */
function validateDriver(errors: Errors, value: unknown, path: string): void {
  const name = typeof value === 'string' ? value : '';
  if (name === '') return required(errors, path);
  if (name.length > 63) tooLong(errors, path, 63);
  return invalidEach(errors, path, name, subdomain(name.toLowerCase()));
}

export const storageClass: Resource = served({
  group: 'storage.k8s.io', kind: 'StorageClass', shortNames: ['sc'],
 
  columns: [
    classNameColumn('storageclass.kubernetes.io/is-default-class'), textOf('Provisioner', 'provisioner'),
    textOf('ReclaimPolicy', 'reclaimPolicy', 'Delete'),
    textOf('VolumeBindingMode', 'volumeBindingMode', 'Immediate'),
    text('AllowVolumeExpansion', 'Whether claims may grow.',
      (one) => String(at(one, 'allowVolumeExpansion') === true)),
    ageColumn,
  ],
  defaults: (one) => filled(one, { reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' }),
  validate: judge(
    named('provisioner', qualified), each('parameters', validateParameters),
    among('reclaimPolicy', ['Delete', 'Retain']),
    among('volumeBindingMode', ['Immediate', 'WaitForFirstConsumer']),
    each('allowedTopologies[].matchLabelExpressions[]', validateTopology),
    frozen('parameters', 'updates to parameters are forbidden.'),
    frozen('provisioner', 'updates to provisioner are forbidden.'),
    frozen('reclaimPolicy', 'updates to reclaimPolicy are forbidden.'), fixed('volumeBindingMode'),
  ),
});

function validateTopology(errors: Errors, value: unknown, path: string): void {
  const { key = '' } = fieldsOf(value), values = textsAt(value, 'values');
  if (values.length === 0) required(errors, `${path}.values`);
  for (const [i, one] of values.entries()) {
    if (values.indexOf(one) < i) duplicate(errors, `${path}.values[${i}]`, one);
  }
  invalidEach(errors, `${path}.key`, key, labelKeyErrors(String(key)));
}

export const volumeAttributesClass: Resource = served({
  group: 'storage.k8s.io', kind: 'VolumeAttributesClass',
  shortNames: ['vac'],
  columns: [
    classNameColumn('volumeattributesclass.storage.kubernetes.io/is-default-class'),
    textOf('DriverName', 'driverName'), ageColumn,
  ],
  validate: judge(
    each('driverName', validateDriver),
    each('parameters', (errors, value, path) => {
      if (Object.keys(fieldsOf(value)).length > 0) return validateParameters(errors, value, path);
      return required(errors, path, 'must contain at least one key/value pair');
    }),
    frozen('driverName', 'updates to driverName are forbidden.'),
    frozen('parameters', 'updates to parameters are forbidden.'),
  ),
});

const modes = ['Persistent', 'Ephemeral'];

export const csiDriver: Resource = served({
  group: 'storage.k8s.io', kind: 'CSIDriver', hasGeneration: true,
  columns: [
    nameColumn, flagOf('AttachRequired', 'spec.attachRequired', true),
    flagOf('PodInfoOnMount', 'spec.podInfoOnMount'), flagOf('StorageCapacity', 'spec.storageCapacity'),
    text('TokenRequests', 'Audiences of the tokens that it asks for.', (one) => {
      if (at(one, 'spec.tokenRequests') === undefined) return '<unset>';
      return listAt(one, 'spec.tokenRequests').map((each) => textAt(each, 'audience')).join(',');
    }),
    flagOf('RequiresRepublish', 'spec.requiresRepublish'),
    text('Modes', 'Lives of the volumes that it knows.',
      (one) => textsAt(one, 'spec.volumeLifecycleModes').join(',') || '<none>'),
    ageColumn,
  ],
  defaults: (one) => filled(one, {
    'spec.attachRequired': true, 'spec.podInfoOnMount': false, 'spec.storageCapacity': false,
    'spec.fsGroupPolicy': 'ReadWriteOnceWithFSType',
    'spec.volumeLifecycleModes': ['Persistent'], 'spec.requiresRepublish': false, 'spec.seLinuxMount': false,
  }),
  validate: judge(
    among('spec.fsGroupPolicy', ['File', 'None', 'ReadWriteOnceWithFSType']),
    unique('spec.tokenRequests', 'audience'),
    each('spec.tokenRequests[].expirationSeconds', (errors, value, path) => {
      if (typeof value !== 'number') return;
      if (value < 600) invalid(errors, path, value, 'may not specify a duration less than 10 minutes');
      if (value > 2 ** 32) {
        invalid(errors, path, value, 'may not specify a duration larger than 2^32 seconds');
      }
    }),
    among('spec.volumeLifecycleModes[]', modes),
    atLeast('spec.nodeAllocatableUpdatePeriodSeconds', 10),
    fixed('spec.attachRequired'), fixed('spec.fsGroupPolicy'), fixed('spec.volumeLifecycleModes'),
  ),
});

export const csiNode: Resource = served({
  group: 'storage.k8s.io', kind: 'CSINode',
  columns: [nameColumn, sizeOf('Drivers', 'spec.drivers'), ageColumn],
  validate: judge(
    each('spec.drivers[]', (errors, value, path) => {
      const { name, nodeID = '' } = fieldsOf(value);
      validateDriver(errors, name, `${path}.name`);
      if (nodeID === '') required(errors, `${path}.nodeID`);
      if (String(nodeID).length > nodeIdCharsMax) {
        invalid(errors, `${path}.nodeID`, nodeID, `must be ${nodeIdCharsMax} characters or less`);
      }
      const keys = textsAt(value, 'topologyKeys');
      for (const [i, key] of keys.entries()) {
        if (key === '') required(errors, path);
        if (keys.indexOf(key) < i) duplicate(errors, path, key);
        invalidEach(errors, path, keys, labelKeyErrors(key));
      }
    }),
    atLeast('spec.drivers[].allocatable?.count', 0), unique('spec.drivers', 'name'),
    onUpdate((errors, object, old) => {
      const before = listAt(old, 'spec.drivers').map(fieldsOf);
      for (const driver of listAt(object, 'spec.drivers').map(fieldsOf)) {
        const known = before.find(({ name }) => name === driver['name']);
        if (known === undefined || sameJson(known, driver)) continue;
        invalid(errors, 'CSINodeDriver', driver, immutableMessage);
      }
    }),
  ),
});

export const csiStorageCapacity: Resource = served({
  group: 'storage.k8s.io', kind: 'CSIStorageCapacity',
  columns: [
    nameColumn, textOf('StorageClassName', 'storageClassName'), textOf('Capacity', 'capacity', '<unset>'),
  ],
  defaults: (one) => ['capacity', 'maximumVolumeSize'].reduce((out, field) => {
    const given = at(out, field);
    return given === undefined ? out : withAt(out, field, canonicalQuantity(String(given)));
  }, one),
  validate: judge(
    selector('nodeTopology'),
    each('storageClassName', (errors, value, path) => {
      const name = typeof value === 'string' ? value : '';
      invalidEach(errors, path, name, subdomain(name));
    }),
    amount('capacity'), amount('maximumVolumeSize'), fixed('nodeTopology'), fixed('storageClassName'),
  ),
});

export const volumeAttachment: Resource = served({
  group: 'storage.k8s.io', kind: 'VolumeAttachment',
  ...statusful({ attached: false }, sealedStatus),
  columns: [
    nameColumn, { ...textOf('Attacher', 'spec.attacher'), format: 'name' },
    textOf('PV', 'spec.source.persistentVolumeName'), textOf('Node', 'spec.nodeName'),
    flagOf('Attached', 'status.attached'), ageColumn,
  ],
  validate: judge(
    each('spec.attacher', validateDriver), each('spec.source', validateSource),
    shaped('spec.source.persistentVolumeName', subdomain), need('spec.nodeName'),
    shaped('spec.nodeName', subdomain),
    each('status?.attachError?.message', validateVolumeError),
    each('status?.detachError?.message', validateVolumeError),
    fixed('spec'),
  ),
});

function validateVolumeError(errors: Errors, value: unknown, path: string): void {
  if (String(value ?? '').length > volumeErrorCharsMax) tooLong(errors, path, volumeErrorCharsMax);
}

function validateSource(errors: Errors, value: unknown, path: string): void {
  const { inlineVolumeSpec, persistentVolumeName } = fieldsOf(value);
  const wrong = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';
  const inline = inlineVolumeSpec !== undefined, byName = persistentVolumeName !== undefined;
  if (!inline && !byName) required(errors, path, wrong);
  else if (inline && byName) forbidden(errors, path, wrong);
  else if (persistentVolumeName === '') {
    required(errors, `${path}.persistentVolumeName`, 'must specify non empty persistentVolumeName');
  }
}
