// This peer's Node object: made at its first start, corrected when what it says of this machine is wrong.
//
// What always holds: only the fields that are this peer's are written (its labels and annotations, capacity,
// allocatable, addresses, nodeInfo); conditions, taints and `unschedulable` have other writers. A Node that
// was deleted is not made again by a running peer: it may have left the cluster.

import { canonicalQuantity } from '../../cluster/api/quantity.ts';
import { createOp, keyOf, newborn, resources, updateOp } from '../../cluster/api/objects.ts';
import type { Node } from '../../cluster/api/types.ts';
import { limits } from '../../cluster/limits.ts';
import { get } from '../../cluster/state/query.ts';
import type { Op } from '../../cluster/state/types.ts';
import { sameContent } from '../../cluster/canonical.ts';
import type { PeerServices, SubmitOutcome } from '../services.ts';

export interface Registration {
  start(): void;
  /** The Node object changed. */
  changed(deleted: boolean): void;
  /** The Node object is in the state as this peer wants it. */
  done(): boolean;
  labels(): Readonly<Record<string, string>>;
  stop(): void;
}

export const apiPortKey = 'shoal.dev/api-port';
const peerIdKey = 'shoal.dev/peer-id';

export function createRegistration(services: PeerServices): Registration {
  const { self } = services;
  const key = keyOf(resources.nodes, { metadata: { name: self.name } });
  let started = false, stopped = false, writing = false, failures = 0;
  /** This run has had its Node object: from then on its deletion is somebody's wish, before it is history. */
  let registered = false, left = false;
  let timer: unknown = null;

  const stored = (): Node | null => get<Node>(services.state(), key);

  function check(): void {
    timer = null;
    if (!started || stopped || left || writing) return;
    const op = registrationOp(services, stored());
    registered ||= op === null;
    if (op === null) return;
    writing = true;
    services.submit([op], null, written);
  }

  function written(outcome: SubmitOutcome): void {
    writing = false;
    registered ||= outcome.ok;
    failures = outcome.ok ? 0 : failures + 1;
    if (!outcome.ok) services.trace('kubelet', 'not-registered', { reason: outcome.refusal.reason });
    const delayMs = outcome.ok ? 0
      : Math.min(limits.statusRetryMsMax, limits.statusRetryMsMin * 2 ** Math.min(failures, 10));
    if (timer === null && !stopped) timer = services.clock.setTimeout(check, delayMs);
  }

  return {
    start() {
      started = true;
      check();
    },
    changed(deleted) {
      if (deleted && registered) left = true;
      else if (timer === null) check();
    },
    done: () => registrationOp(services, stored()) === null,
    labels: () => ({ ...ownLabels(services), ...stored()?.metadata.labels }),
    stop() {
      stopped = true;
      if (timer !== null) services.clock.clearTimeout(timer);
    },
  };
}

/** What brings the Node object in line; null: nothing has to change. */
function registrationOp(services: PeerServices, stored: Node | null): Op | null {
  const labels = ownLabels(services), annotations = ownAnnotations(services), status = ownStatus(services);
  if (stored === null) {
    const { name } = services.self;
    const metadata = { name, labels, annotations };
    const node = { apiVersion: 'v1', kind: 'Node', metadata, spec: {}, status };
    const birth = { uid: services.newUid(), nowWallMs: services.wallMs() };
    return createOp(resources.nodes, newborn(node, birth));
  }
  const next: Node = {
    ...stored,
    metadata: {
      ...stored.metadata,
      labels: { ...stored.metadata.labels, ...labels },
      annotations: { ...stored.metadata.annotations, ...annotations },
    },
    status: { ...stored.status, ...status },
  };
  return sameContent(next, stored) ? null : updateOp(resources.nodes, stored, next);
}

/** Facts that are no labels: they go into annotations. */
const notLabels = [apiPortKey];

function ownLabels({ self }: PeerServices): Readonly<Record<string, string>> {
  const given = Object.entries(self.labels).filter(([name]) => !notLabels.includes(name));
  const os = self.nodeInfo['operatingSystem'] ?? 'linux', arch = self.nodeInfo['architecture'] ?? 'amd64';
  return {
    'kubernetes.io/hostname': self.name, 'kubernetes.io/os': os, 'kubernetes.io/arch': arch,
    ...Object.fromEntries(given),
  };
}

function ownAnnotations({ self }: PeerServices): Readonly<Record<string, string>> {
  const apiPort = self.labels[apiPortKey] ?? self.nodeInfo[apiPortKey];
  return { [peerIdKey]: self.id, ...(apiPort === undefined ? {} : { [apiPortKey]: apiPort }) };
}

function ownStatus({ self }: PeerServices): NonNullable<Node['status']> {
  const { [apiPortKey]: _port, ...info } = self.nodeInfo;
  const { ephemeralStorageBytes } = self.capacity;
  const capacity = {
    cpu: canonicalQuantity(`${self.capacity.cpuMilli}m`),
    ...ephemeralStorageBytes === undefined ? {}
      : { 'ephemeral-storage': `${Math.floor(ephemeralStorageBytes / 1024)}Ki` },
    memory: `${Math.floor(self.capacity.memoryBytes / 1024)}Ki`,
    pods: String(self.capacity.pods),
  };
  return {
    capacity, allocatable: capacity,
    addresses: [{ type: 'InternalIP', address: self.hostIP }, { type: 'Hostname', address: self.name }],
    nodeInfo: { kubeletVersion: self.version, operatingSystem: 'linux', architecture: 'amd64', ...info },
  };
}
