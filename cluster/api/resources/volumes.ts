// PersistentVolume and PersistentVolumeClaim. Nothing in Shoal binds or mounts them yet; they are kept for
// the provisioners that do. Source: Kubernetes, pkg/apis/core/validation (ValidatePersistentVolumeSpec,
// ValidatePersistentVolumeClaimSpec, their updates), core/v1 defaults, printPersistentVolume.

import { compareQuantities } from '../quantity.ts';
import type { Asker, Resource } from '../resource.ts';
import { rfc3339 } from '../time.ts';
import type { KubeObject } from '../types.ts';
import { ageColumn, nameColumn, text, textOf, wide } from './columns.ts';
import { at, fieldsOf, filled, isMissing, textAt, textsAt, withAt, withoutAt } from './fields.ts';
import { served, statusStrategy, statusful, withStatus } from './kind.ts';
import { canonicalList } from './podspec.ts';
import {
  among, each, judge, onUpdate, selector, shaped, subdomain, validateAmount,
} from './rules.ts';
import type { Rule } from './rules.ts';
import { forbidden, invalid, notSupported, required, sameJson, sortedEntries } from './validate.ts';
import type { Errors } from './validate.ts';

const modeWords: readonly (readonly [string, string])[] = [
  ['ReadWriteOnce', 'RWO'], ['ReadOnlyMany', 'ROX'], ['ReadWriteMany', 'RWX'], ['ReadWriteOncePod', 'RWOP'],
];
const accessModes = modeWords.map(([mode]) => mode).sort();
const volumeModes = ['Block', 'Filesystem'];

const modesText = (one: KubeObject, path: string): string =>
  modeWords.filter(([mode]) => textsAt(one, path).includes(mode)).map(([, word]) => word).join(',');

const phase = (one: KubeObject): string =>
  (one.metadata.deletionTimestamp === undefined ? textAt(one, 'status.phase') : 'Terminating');

const betaClass = 'volume.beta.kubernetes.io/storage-class';
const className = (one: KubeObject): string =>
  one.metadata.annotations?.[betaClass] ?? textAt(one, 'spec.storageClassName');

function withAmounts(one: KubeObject, ...paths: readonly string[]): KubeObject {
  return paths.reduce((out, path) => {
    const given = at(out, path);
    return given === undefined ? out
      : withAt(out, path, canonicalList(fieldsOf(given) as Readonly<Record<string, string>>));
  }, one);
}

/** The modes, and that one that allows but one pod stands alone. */
function validateModes(errors: Errors, given: readonly string[], path: string): void {
  for (const mode of given) if (!accessModes.includes(mode)) notSupported(errors, path, mode, accessModes);
  if (given.includes('ReadWriteOncePod') && given.length > 1) {
    forbidden(errors, path, 'may not use ReadWriteOncePod with other access modes');
  }
}

// ── PersistentVolume ─────────────────────────────────────────────────────────────────────────────────────

/** The kinds of volumes, each a field of the specification. */
const sources = [
  'awsElasticBlockStore', 'azureDisk', 'azureFile', 'cephfs', 'cinder', 'csi', 'fc', 'flexVolume', 'flocker',
  'gcePersistentDisk', 'glusterfs', 'hostPath', 'iscsi', 'local', 'nfs', 'photonPersistentDisk',
  'portworxVolume', 'quobyte', 'rbd', 'scaleIO', 'storageos', 'vsphereVolume',
];

export const persistentVolume: Resource = served({
  group: '', kind: 'PersistentVolume', shortNames: ['pv'], ...statusful(),
  prepareCreate: (one, by?: Asker) => withStatus(one, {
    phase: 'Pending', ...by === undefined ? {} : { lastPhaseTransitionTime: rfc3339(by.nowWallMs) },
  }),
  prepareStatus: (one, old, by) => {
    const next = statusStrategy.prepareStatus(one, old);
    const same = textAt(next, 'status.phase') === textAt(old, 'status.phase');
    const given = textAt(one, 'status.lastPhaseTransitionTime');
    const told = given !== '' && given !== textAt(old, 'status.lastPhaseTransitionTime');
    return same || told || by === undefined ? next
      : withAt(next, 'status.lastPhaseTransitionTime', rfc3339(by.nowWallMs));
  },
  columns: [
    nameColumn, textOf('Capacity', 'spec.capacity.storage', '0'),
    text('Access Modes', 'How it may be mounted.', (one) => modesText(one, 'spec.accessModes')),
    textOf('Reclaim Policy', 'spec.persistentVolumeReclaimPolicy'), text('Status', 'Its phase.', phase),
    text('Claim', 'Who has it.', (one) => (at(one, 'spec.claimRef') === undefined ? ''
      : `${textAt(one, 'spec.claimRef.namespace')}/${textAt(one, 'spec.claimRef.name')}`)),
    text('StorageClass', 'Its class.', className),
    textOf('VolumeAttributesClass', 'spec.volumeAttributesClassName', '<unset>'),
    textOf('Reason', 'status.reason'), ageColumn, wide(textOf('VolumeMode', 'spec.volumeMode', '<unset>')),
  ],
  defaults: (one) => {
    const out = withAmounts(filled(one, {
      'spec.persistentVolumeReclaimPolicy': 'Retain', 'spec.volumeMode': 'Filesystem',
    }), 'spec.capacity');
    return at(out, 'spec.hostPath') === undefined ? out
      : at(out, 'spec.hostPath.type') === undefined ? withAt(out, 'spec.hostPath.type', '') : out;
  },
  validate: judge(
    each('spec', validateVolume), shaped('spec.storageClassName', subdomain),
    among('spec.volumeMode', volumeModes), onUpdate(validateVolumeUpdate),
    fixedAs('spec.volumeMode', 'volumeMode'),
  ),
});

/** Kubernetes tells of some fields without the `spec.` before them. */
function fixedAs(path: string, shown: string): Rule {
  return onUpdate((errors, one, old) => {
    if (!sameJson(at(one, path), at(old, path))) invalid(errors, shown, at(one, path), 'field is immutable');
  });
}

function validateVolume(errors: Errors, value: unknown, path: string): void {
  const spec = fieldsOf(value), modes = textsAt(value, 'accessModes');
  if (modes.length === 0) required(errors, `${path}.accessModes`);
  validateModes(errors, modes, `${path}.accessModes`);
  const capacity = fieldsOf(spec['capacity']), names = Object.keys(capacity);
  if (names.length === 0) required(errors, `${path}.capacity`);
  if (names.length !== 1 || names[0] !== 'storage') {
    notSupported(errors, `${path}.capacity`, spec['capacity'], ['storage']);
  }
  for (const [name, amount] of sortedEntries(capacity)) {
    validateAmount(errors, amount, `${path}.capacity[${name}]`, true);
  }
  const policy = textAt(value, 'persistentVolumeReclaimPolicy');
  if (policy !== '' && !['Delete', 'Recycle', 'Retain'].includes(policy)) {
    notSupported(errors, `${path}.persistentVolumeReclaimPolicy`, policy, ['Delete', 'Recycle', 'Retain']);
  }
  validateSources(errors, value, path);
  if (textAt(value, 'hostPath.path').replace(/\/+$/, '') === '' && spec['hostPath'] !== undefined
    && policy === 'Recycle') {
    forbidden(errors, `${path}.persistentVolumeReclaimPolicy`,
      "may not be 'recycle' for a hostPath mount of '/'");
  }
}

function validateSources(errors: Errors, value: unknown, path: string): void {
  const given = sources.filter((source) => at(value, source) !== undefined);
  for (const source of given.slice(1)) {
    forbidden(errors, `${path}.${source}`, 'may not specify more than 1 volume type');
  }
  const [source] = given;
  if (source === undefined) return required(errors, path, 'must specify a volume type');
  const need = (field: string, detail = ''): void => {
    if (isMissing(at(value, `${source}.${field}`))) required(errors, `${path}.${source}.${field}`, detail);
  };
  switch (source) {
    case 'hostPath': return need('path');
    case 'local':
      need('path');
      if (at(value, 'nodeAffinity.required') !== undefined) return;
      return required(errors, `${path}.nodeAffinity`, 'Local volume requires node affinity');
    case 'nfs':
      need('server');
      need('path');
      if (textAt(value, 'nfs.path').startsWith('/') || textAt(value, 'nfs.path') === '') return;
      return invalid(errors, `${path}.nfs.path`, textAt(value, 'nfs.path'), 'must be an absolute path');
    case 'csi':
      need('driver');
      for (const wrong of subdomain(textAt(value, 'csi.driver').toLowerCase() || 'a')) {
        invalid(errors, `${path}.csi.driver`, textAt(value, 'csi.driver'), wrong);
      }
      return need('volumeHandle');
    case 'iscsi': ['targetPortal', 'iqn'].forEach((field) => need(field)); return;
    case 'cephfs': return need('monitors');
    case 'rbd': ['monitors', 'image'].forEach((field) => need(field)); return;
    default: return;
  }
}

function validateVolumeUpdate(errors: Errors, one: KubeObject, old: KubeObject): void {
  const source = (object: KubeObject): unknown => sources.map((name) => {
    const found = at(object, `spec.${name}`);
    // A secret for growing may be named later.
    return name === 'csi' && at(old, 'spec.csi.controllerExpandSecretRef') === undefined
      ? withoutAt(fieldsOf(found), 'controllerExpandSecretRef') : found;
  });
  if (!sameJson(source(one), source(old))) {
    forbidden(errors, 'spec.persistentvolumesource',
      'spec.persistentvolumesource is immutable after creation');
  }
}

// ── PersistentVolumeClaim ────────────────────────────────────────────────────────────────────────────────

const bound = (one: KubeObject): boolean => textAt(one, 'spec.volumeName') !== '';

export const persistentVolumeClaim: Resource = served({
  group: '', kind: 'PersistentVolumeClaim', shortNames: ['pvc'], ...statusful({ phase: 'Pending' }),
  columns: [
    nameColumn, text('Status', 'Its phase.', phase), textOf('Volume', 'spec.volumeName'),
    text('Capacity', 'Size of its volume.',
      (one) => (bound(one) ? textAt(one, 'status.capacity.storage') || '0' : '')),
    text('Access Modes', 'How its volume may be mounted.',
      (one) => (bound(one) ? modesText(one, 'status.accessModes') : '')),
    text('StorageClass', 'Its class.', className),
    textOf('VolumeAttributesClass', 'spec.volumeAttributesClassName', '<unset>'), ageColumn,
    wide(textOf('VolumeMode', 'spec.volumeMode', '<unset>')),
  ],
  defaults: (one) => withAmounts(withSource(filled(one, { 'spec.volumeMode': 'Filesystem' })),
    'spec.resources.requests', 'spec.resources.limits', 'status.capacity', 'status.allocatedResources'),
  validate: judge(each('spec', validateClaim), selector('spec.selector'), onUpdate(validateClaimUpdate)),
});

/** `dataSource` and `dataSourceRef` say the same, where they may. */
function withSource(one: KubeObject): KubeObject {
  const source = at(one, 'spec.dataSource'), ref = at(one, 'spec.dataSourceRef');
  if (source !== undefined && ref === undefined) return withAt(one, 'spec.dataSourceRef', source);
  const copied = source === undefined && ref !== undefined && isMissing(at(ref, 'namespace'));
  return copied ? withAt(one, 'spec.dataSource', ref) : one;
}

function validateClaim(errors: Errors, value: unknown, path: string): void {
  const modes = textsAt(value, 'accessModes'), size = at(value, 'resources.requests.storage');
  if (modes.length === 0) required(errors, `${path}.accessModes`, 'at least 1 access mode is required');
  validateModes(errors, modes, `${path}.accessModes`);
  if (size === undefined) required(errors, `${path}.resources[storage]`);
  else validateAmount(errors, size, `${path}.resources[storage]`, true);
  const like = (name: string): void => {
    const given = textAt(value, name);
    for (const wrong of given === '' ? [] : subdomain(given)) {
      invalid(errors, `${path}.${name}`, given, wrong);
    }
  };
  like('storageClassName');
  const mode = at(value, 'volumeMode');
  if (mode !== undefined && !volumeModes.includes(String(mode))) {
    notSupported(errors, `${path}.volumeMode`, mode, volumeModes);
  }
  for (const name of ['dataSource', 'dataSourceRef']) {
    const source = at(value, name);
    if (source !== undefined) validateDataSource(errors, source, `${path}.${name}`);
  }
  like('volumeAttributesClassName');
}

function validateDataSource(errors: Errors, value: unknown, path: string): void {
  const { apiGroup, kind, name } = fieldsOf(value);
  if (isMissing(name)) required(errors, `${path}.name`);
  if (isMissing(kind)) required(errors, `${path}.kind`);
  if (isMissing(apiGroup) && kind !== 'PersistentVolumeClaim') {
    invalid(errors, path, kind, 'must be \'PersistentVolumeClaim\' when referencing the default apiGroup');
  }
}

/** A claim stays as it is, but for its volume, once; when it is bound, it may grow and change its class. */
function validateClaimUpdate(errors: Errors, one: KubeObject, old: KubeObject): void {
  const isBound = textAt(one, 'status.phase') === 'Bound';
  const rest = (object: KubeObject): unknown => {
    let spec: object = fieldsOf(at(object, 'spec'));
    if (!bound(old)) spec = withoutAt(spec, 'volumeName');
    if (isBound) spec = withoutAt(withoutAt(spec, 'resources.requests.storage'), 'volumeAttributesClassName');
    // The class may move from the annotation, where it was once named.
    const moved = old.metadata.annotations?.[betaClass] === textAt(one, 'spec.storageClassName')
      && at(old, 'spec.storageClassName') === undefined;
    return moved ? withoutAt(spec, 'storageClassName') : spec;
  };
  if (!sameJson(rest(one), rest(old))) {
    forbidden(errors, 'spec', 'spec is immutable after creation except resources.requests and '
      + 'volumeAttributesClassName for bound claims');
  }
  const path = 'spec.resources.requests.storage', capacity = at(old, 'status.capacity.storage');
  const now = at(one, path), before = at(old, path);
  if (now !== undefined && before !== undefined && (compareQuantities(String(now), String(before)) ?? 0) < 0
    && (capacity === undefined || (compareQuantities(String(now), String(capacity)) ?? 0) <= 0)) {
    forbidden(errors, path, 'field can not be less than status.capacity');
  }
  fixedAs('spec.volumeMode', 'volumeMode')(errors, one, old, '');
}
