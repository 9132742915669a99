// The commands of the pod's and the kubelet's transcripts, over one world per file.

import { parse, parseAllDocuments, stringify } from 'yaml';
import { createOp, keyOf, newborn, updateOp } from '../../cluster/api/objects.ts';
import { resources } from '../../cluster/api/objects.ts';
import { resourceByKind } from '../../cluster/api/resources/index.ts';
import { rfc3339 } from '../../cluster/api/time.ts';
import type { Condition, KubeObject, Node, Pod } from '../../cluster/api/types.ts';
import { objectKey, resourceName } from '../../cluster/ids.ts';
import type { ContainersPort, SandboxSpec } from '../../cluster/ports.ts';
import { get } from '../../cluster/state/query.ts';
import { createSimContainers } from '../../sim/ports/containers.ts';
import type { TranscriptCommand } from '../transcript.ts';
import { createKubeletWorld, podLine, startWallMs } from './kubelet-world.ts';
import type { KubeletWorld } from './kubelet-world.ts';

export function kubeletCommands(): (command: TranscriptCommand) => string {
  let world = createKubeletWorld();
  world.startPeer();
  world.run(100);
  world.story();
  return (command) => {
    if (command.name === 'world') {
      world = newWorld(command);
      return 'ok';
    }
    const said = perform(world, command);
    return [...said, ...world.story()].join('\n') || 'ok';
  };
}

function newWorld({ options }: TranscriptCommand): KubeletWorld {
  const world = createKubeletWorld({
    capacity: {
      cpuMilli: Number(options['cpu'] ?? 4000), memoryBytes: Number(options['memory'] ?? 8 * 2 ** 30),
      pods: Number(options['pods'] ?? 110),
      ...options['disk'] === undefined ? {} : { ephemeralStorageBytes: Number(options['disk']) },
    },
    faults: {
      pullMsMax: Number(options['pull-ms'] ?? 0), pullFails: Number(options['pull-fails'] ?? 0),
      sandboxFails: Number(options['sandbox-fails'] ?? 0), createFails: Number(options['create-fails'] ?? 0),
    },
  });
  if (options['start'] !== 'no') {
    world.startPeer();
    world.run(100);
    world.story();
  }
  return world;
}

/** What the command itself prints; what it causes is told by the world. */
function perform(world: KubeletWorld, command: TranscriptCommand): readonly string[] {
  const { name, words, options, input } = command;
  const word = words[0] ?? '';
  switch (name) {
    case 'create': case 'apply': return write(world, input);
    case 'advance': return advance(world, seconds(word));
    case 'delete': return remove(world, word, Number(options['grace'] ?? 30));
    case 'exit': return world.host.exit(word, Number(options['code'] ?? 0), options['oom'] === 'yes')
      ? advance(world, 100) : ['no such running container'];
    case 'lose': return world.host.lose(word) ? [] : ['no such container'];
    case 'kill-sandbox': return world.host.killSandbox(word) ? advance(world, 100) : ['no such sandbox'];
    case 'runtime': {
      world.host.setUp(word === 'up');
      return advance(world, 100);
    }
    case 'faults': {
      const faults = Object.entries(options).map(([key, value]) => [key, Number(value)] as const);
      world.host.setFaults(Object.fromEntries(faults));
      return [];
    }
    case 'power-off': {
      world.host.powerOff();
      return [];
    }
    case 'kill-peer': {
      world.killPeer();
      return [];
    }
    case 'start-peer': {
      world.startPeer();
      return advance(world, 100);
    }
    case 'cut-off': case 'mend': {
      world.cutOff(name === 'cut-off');
      return [];
    }
    case 'printed': return world.host.output(word);
    case 'stray': return stray(world, word);
    case 'half-made': return halfMade(world, word);
    case 'node-patch': return patchNode(world, input);
    case 'node-delete': {
      world.write([{ op: 'delete', key: nodeKey }]);
      return [];
    }
    case 'status': return status(world, word, words[1]);
    case 'node': return node(world);
    case 'running': return running(world);
    case 'ready': return [JSON.stringify(world.kubelet().ready()), JSON.stringify(world.kubelet().free())];
    case 'log': return [String(world.kubelet().container(word, words[1] ?? '', words[2] === 'previous'))];
    default: throw new Error(`no such command: ${name}`);
  }
}

function advance(world: KubeletWorld, ms: number): readonly string[] {
  world.run(ms);
  return [];
}

function seconds(text: string): number {
  const match = /^(\d+)(ms|s|m)$/.exec(text);
  if (match === null) throw new Error(`a time like 500ms, 10s or 5m, not ${text}`);
  return Number(match[1]) * (match[2] === 'ms' ? 1 : match[2] === 's' ? 1000 : 60_000);
}

/** Objects with the API's defaults. A uid is the name; a pod is bound to this node unless it says more. */
function write(world: KubeletWorld, input: string): readonly string[] {
  const said: string[] = [];
  for (const document of parseAllDocuments(input)) {
    const raw = document.toJS() as KubeObject;
    const kind = resourceByKind(raw.apiVersion ?? 'v1', raw.kind);
    if (kind === null) throw new Error(`no such kind: ${raw.kind}`);
    const { metadata, ...rest } = raw;
    const uid = metadata.uid ?? metadata.name;
    const namespaced = {
      ...kind.namespaced ? { namespace: 'default' } : {}, ...kind.hasGeneration ? { generation: 1 } : {},
    };
    const nowWallMs = startWallMs + world.nowMs();
    const full = { ...rest, apiVersion: raw.apiVersion ?? 'v1', metadata: { ...namespaced, ...metadata } };
    const named = newborn(full, { uid, nowWallMs });
    const object = kind.prepareCreate(kind.defaults(named as KubeObject));
    const bound = raw.kind === 'Pod'
      ? { ...object, spec: { nodeName: 'n1', ...(object as Pod).spec } } as KubeObject : object;
    const resource = resourceName(`${kind.group === '' ? 'core' : kind.group}/${kind.resource}`);
    const stored = get<KubeObject>(world.state, keyOf(resource, object));
    const outcome = world.write([stored === null ? createOp(resource, bound) : updateOp(resource, stored, {
      ...bound, metadata: { ...stored.metadata, ...metadata }, ...keptStatus(stored),
    })]);
    if (!outcome.ok) said.push(outcome.refusal.message);
  }
  world.run(100);
  return said;
}

function keptStatus(stored: KubeObject): object {
  return 'status' in stored ? { status: stored.status } : {};
}

/** As the API does it: a grace of 0 deletes at once, any other asks the node. */
function remove(world: KubeletWorld, name: string, grace: number): readonly string[] {
  const pod = world.pod(name);
  if (pod === null) return ['no such pod'];
  if (grace === 0) world.write([{ op: 'delete', key: keyOf(resources.pods, pod) }]);
  else {
    const deletionTimestamp = rfc3339(startWallMs + world.nowMs() + grace * 1000);
    const metadata = { ...pod.metadata, deletionTimestamp, deletionGracePeriodSeconds: grace };
    world.write([updateOp(resources.pods, pod, { ...pod, metadata })]);
  }
  return advance(world, 100);
}

/** A sandbox and a running container of a pod that the state does not have. No peer may live meanwhile. */
function stray(world: KubeletWorld, uid: string): readonly string[] {
  const port = halfMadeBy(world, uid);
  port.call('4', { call: 'start-container', id: `container-${uid}-main-0` });
  world.run(10);
  return running(world);
}

/** A pod's sandbox and container, made and not started. */
function halfMade(world: KubeletWorld, uid: string): readonly string[] {
  halfMadeBy(world, uid);
  return running(world);
}

function halfMadeBy(world: KubeletWorld, uid: string): ContainersPort {
  const port = createSimContainers({ host: world.host, deliver: () => {} });
  const pod = { namespace: 'default', name: uid, uid };
  const sandbox: SandboxSpec = { pod, attempt: 0, hostname: uid, hostNetwork: false, ports: [] };
  port.call('1', { call: 'pull', image: 'app:1' });
  port.call('2', { call: 'create-sandbox', sandbox });
  world.run(10);
  port.call('3', {
    call: 'create-container',
    container: {
      pod, sandbox: `sandbox-${uid}-0`, name: 'main', attempt: 0, image: 'app:1', command: [], args: [],
      workingDir: '', env: [], cpuRequestMilli: 0, cpuLimitMilli: 0, memoryLimitBytes: 0,
      stdin: false, tty: false,
    },
  });
  world.run(10);
  return port;
}

function status(world: KubeletWorld, name: string, path: string | undefined): readonly string[] {
  const pod = world.pod(name);
  if (pod === null) return ['no such pod'];
  if (path === undefined) return [podLine(pod)];
  let value: unknown = pod.status;
  for (const key of path === 'all' ? [] : path.split('.')) {
    value = (value as Record<string, unknown> | undefined)?.[key];
  }
  return stringify(value ?? null).trimEnd().split('\n');
}

const nodeKey = objectKey(resources.nodes, '', 'n1');

function patchNode(world: KubeletWorld, input: string): readonly string[] {
  const { labels, conditions } = parse(input) as { labels: Record<string, string>; conditions: Condition[] };
  const stored = get<Node>(world.state, nodeKey);
  if (stored === null) return ['no node'];
  const metadata = { ...stored.metadata, labels: { ...stored.metadata.labels, ...labels } };
  const next: Node = { ...stored, metadata, status: { ...stored.status, conditions } };
  world.write([updateOp(resources.nodes, stored, next)]);
  return [];
}

function node(world: KubeletWorld): readonly string[] {
  const found = get<Node>(world.state, nodeKey);
  const { labels, annotations } = found?.metadata ?? {};
  return stringify({ labels, annotations, status: found?.status }).trimEnd().split('\n');
}

/** What truly is on the machine. */
function running(world: KubeletWorld): readonly string[] {
  const { sandboxes, containers } = world.host.inspect();
  const lines = [
    ...sandboxes.map(({ id, running: isRunning }) => `${id} ${isRunning ? 'running' : 'dead'}`),
    ...containers.map(({ id, state, exitCode }) =>
      `${id} ${state}${state === 'exited' ? ` ${exitCode}` : ''}`),
  ];
  return lines.length === 0 ? ['nothing'] : lines;
}

