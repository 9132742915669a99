// How a node's figures look on the wire.

import { limits } from '../limits.ts';
import type { NodeUsage, PodUsage, Usage } from '../usage.ts';
import type { Plain } from './codec.ts';
import type { Fields } from './fields.ts';

export function packUsage({ takenAtMs, windowMs, node, pods }: NodeUsage): Plain {
  return [takenAtMs, windowMs, ...packFigures(node), pods.map(packPod)];
}

export function readUsage(f: Fields): NodeUsage {
  return {
    takenAtMs: f.integer('takenAtMs'), windowMs: f.integer('windowMs'), node: readFigures(f),
    pods: f.list('pods', limits.usagePodsMax, (items) => {
      const pod = items.nested('pod'), read = readPod(pod);
      pod.end('pod');
      return read;
    }),
  };
}

const packFigures = ({ cpuNano, memoryBytes }: Usage): readonly [number, number] => [cpuNano, memoryBytes];

const readFigures = (f: Fields): Usage =>
  ({ cpuNano: f.integer('cpuNano'), memoryBytes: f.integer('memoryBytes') });

const packPod = ({ namespace, name, uid, containers }: PodUsage): Plain =>
  [namespace, name, uid, containers.flatMap((each) => [each.name, ...packFigures(each)])];

function readPod(f: Fields): PodUsage {
  return {
    namespace: f.text('namespace', limits.nodeNameLengthMax), name: f.text('name', limits.nodeNameLengthMax),
    uid: f.text('uid', limits.uidLengthMax),
    containers: f.list('containers', limits.usageContainersMax, (items) =>
      ({ name: items.text('container', limits.nodeNameLengthMax), ...readFigures(items) })),
  };
}
