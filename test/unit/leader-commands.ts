// The commands of the transcripts that drive a `leader-world`: what a user, a kubelet and gossip do, and
// what is written for it.

import { keyOf, resources } from '../../cluster/api/objects.ts';
import type { KubeEvent, KubeObject } from '../../cluster/api/types.ts';
import type { Liveness } from '../../cluster/gossip/types.ts';
import { get, list } from '../../cluster/state/query.ts';
import { canonicalText } from '../../cluster/canonical.ts';
import { stringify } from 'yaml';
import type { TranscriptCommand } from '../transcript.ts';
import {
  addNode, create, createWorld, endPod, kubelet, keyAt, patch, remove, resourceOf, tell,
} from './leader-world.ts';
import type { World } from './leader-world.ts';

/** A fresh world with the initial namespaces, and a leader in it; `more` adds commands of its own. */
export function commands(more?: (world: World, command: TranscriptCommand) => string | null) {
  const world = createWorld();
  world.lead();
  world.run(1_000);
  let kinds: readonly string[] = [];
  return (command: TranscriptCommand): string => {
    const own = more?.(world, command) ?? null;
    if (own !== null) return own;
    const { name, words, options } = command;
    if (name === 'show') {
      kinds = words;
      return `shows ${words.join(', ')}`;
    }
    const said = carryOut(world, command);
    if (said !== null) return said;
    // Whatever was done, the world is given time to answer.
    const told = tell(
      world.run(Number(options['ms'] ?? (name === 'run' ? words[0] : undefined) ?? 500)),
      kinds,
    );
    return told === '' ? 'silence' : told;
  };
}

/** Text that is the whole answer; null: the world runs on and tells. */
function carryOut(world: World, command: TranscriptCommand): string | null {
  const { name, words, options, input } = command;
  const [first = '', second = ''] = words;
  const namespace = options['namespace'] ?? (words.includes('all') ? '' : 'default');
  switch (name) {
    case 'run': return null;
    case 'nodes':
      for (let n = Number(options['from'] ?? 1); n <= Number(options['to'] ?? first); n++)
        addNode(world, n, options);
      return null;
    case 'create': return create(world, input) || null;
    case 'patch': return patch(world, first, second, input, namespace) || null;
    case 'delete': return remove(world, first, second, {
      foreground: words.includes('foreground'), orphan: words.includes('orphan'),
    }, namespace) || null;
    case 'kubelet': return kubelet(world, Number(options['count'] ?? 1_000), words), null;
    case 'end': return endPod(world, first, second as 'Failed'), null;
    case 'gossip':
      world.setLiveness(first, second as Liveness, options['ready'] !== 'no', options['reason'] ?? '');
      return null;
    case 'lead': return world.lead(), null;
    case 'get': return table(world, first, namespace);
    case 'yaml': return yamlOf(world, first, second, namespace);
    case 'events': return eventsOf(world);
    default: throw new Error(`no command ${name}`);
  }
}

function table(world: World, plural: string, namespace: string): string {
  const objects = list<KubeObject>(world.state, resourceOf(plural), plural === 'nodes' ? '' : namespace);
  const told = tell(objects.map((object) => ({
    type: 'ADDED', key: keyOf(resourceOf(plural), object), revision: 0 as never, object, previous: null,
  })), []);
  return told.replaceAll('+ ', '') || 'none';
}

/** The parts of an object that have a meaning here: no ids, no versions. */
function yamlOf(world: World, plural: string, name: string, namespace: string): string {
  const object = get<KubeObject>(world.state, keyAt(resourceOf(plural), name, namespace));
  if (object === null) return 'none';
  const { labels, annotations, finalizers, ownerReferences } = object.metadata;
  const { metadata: _, apiVersion: __, kind: ___, ...rest } = object;
  const shown: unknown = JSON.parse(
    canonicalText({
      labels,
      annotations,
      finalizers,
      owners: ownerReferences?.map((one) => `${one.kind} ${one.name}`),
      ...rest,
    }),
  );
  return stringify(shown);
}

function eventsOf(world: World): string {
  return (
    list<KubeEvent>(world.state, resources.events)
      .map(
        ({ type, reason, message, count, involvedObject: { kind = '', name } }) =>
          `${type} ${reason} ${kind.toLowerCase()}/${name} x${count}: ${message}`,
      )
      .sort()
      .join('\n') || 'none'
  );
}
