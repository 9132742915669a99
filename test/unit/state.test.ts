// The replicated state: transcripts of commands and outcomes, and a random run in which a member that starts
// from a snapshot must stay equal to one that applied everything.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { index, objectKey, peerId, resourceName, revision, term } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { createRandom } from '../../cluster/random.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import type { Entry } from '../../cluster/log/types.ts';
import { applyEntry } from '../../cluster/state/apply.ts';
import { digestOf, fullDigest } from '../../cluster/state/digest.ts';
import { dependents, get, list, objectsInNamespace, podsOnNode } from '../../cluster/state/query.ts';
import { decodeState, difference, encodeState } from '../../cluster/state/snapshot.ts';
import { createState } from '../../cluster/state/state.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Applied, Op } from '../../cluster/state/types.ts';
import { changesSince } from '../../cluster/state/watch.ts';
import { encodeCommand } from '../../cluster/wire.ts';
import { transcripts } from '../transcript.ts';
import type { TranscriptCommand } from '../transcript.ts';

const origin = peerId('peer-1');

transcripts((name, body) => test(`transcript ${name}`, body), 'test/data/state', () => {
  let state = createState({ serviceCidr: '10.96.0.0/24' }), sequence = 0;
  function apply(ops: Op[], options: Readonly<Record<string, string>>): string {
    sequence = Number(options['sequence'] ?? sequence + 1);
    const id = { origin, incarnation: 1, sequence };
    const fence = options['fence'] === undefined ? {} : { fence: term(Number(options['fence'])) };
    const entry: Entry = {
      index: index(state.revision + 1), term: term(Number(options['term'] ?? 1)), kind: 'command',
      data: encodeCommand({ id, ...fence, ops }),
    };
    return show(applyEntry(state, entry));
  }
  return ({ name, words, options, input }: TranscriptCommand): string => {
    switch (name) {
      case 'apply': return apply(input.split(/^--$/m).map((part) => readOp(part, state)), options);
      case 'get': return JSON.stringify(get(state, words[0] as ObjectKey));
      case 'list': return list(state, resourceName(words[0] ?? ''), words[1]).map(line).join('\n') || 'nothing';
      case 'namespace': return objectsInNamespace(state, words[0] ?? '').map(({ key }) => key).join('\n') || 'nothing';
      case 'dependents': return dependents(state, words[0] ?? '').map(({ key }) => key).join('\n') || 'nothing';
      case 'pods-on': return podsOnNode(state, words[0] ?? '').map(line).join('\n') || 'nothing';
      case 'since': {
        const changes = changesSince(state, revision(Number(words[0])), words[1]);
        return changes === 'expired' ? changes
          : changes.map((change) => `${change.revision} ${change.type} ${change.key}`).join('\n') || 'nothing';
      }
      case 'snapshot': {
        const before = state, bytes = encodeState(state), back = decodeState(bytes);
        if ('refusal' in back) return back.refusal;
        assert.equal(encodeState(back), bytes, 'a snapshot of a state that was read back is the same bytes');
        assert.is(digestOf(back), digestOf(before));
        assert.equal(difference(before, back), []);
        state = back;
        return `revision ${state.revision}, ${state.objects.size} objects`;
      }
      case 'read': {
        const back = decodeState(new TextEncoder().encode(input));
        return 'refusal' in back ? back.refusal : `revision ${back.revision}`;
      }
      default: throw new Error(`no such command: ${name}`);
    }
  };
});

/** `create KEY` or `update KEY [revision=N]` with the object's YAML below, or `delete KEY [uid=U]`. */
function readOp(text: string, state: State): Op {
  const [head = '', ...body] = text.trim().split('\n');
  const [verb, key = '', ...rest] = head.split(' ');
  const expect = Object.fromEntries(rest.map((word) => word.split('='))) as Record<string, string>;
  const expectation = {
    ...expect['revision'] === undefined ? {} : { revision: revision(Number(expect['revision'])) },
    ...expect['uid'] === undefined ? {} : { uid: expect['uid'] as never },
  };
  if (verb === 'delete') return { op: 'delete', key: key as ObjectKey, expect: expectation };
  const [, , namespace = '', name = ''] = key.split('/');
  const fields = (parse(body.join('\n')) ?? {}) as { metadata?: object };
  const uid = get(state, key as ObjectKey)?.metadata.uid ?? `uid-${name}`;
  const object = {
    apiVersion: 'v1', kind: 'Thing', ...fields,
    metadata: {
      name, ...namespace === '' ? {} : { namespace }, uid, resourceVersion: '', creationTimestamp: '', ...fields.metadata,
    },
  } as KubeObject;
  if (verb === 'create') return { op: 'create', key: key as ObjectKey, object };
  return { op: 'update', key: key as ObjectKey, object, expect: expectation };
}

function show(applied: Applied): string {
  const { outcome } = applied;
  const head = applied.duplicate ? 'duplicate'
    : outcome.ok ? `ok ${outcome.revision}` : `${outcome.refusal.reason}: ${outcome.refusal.message}`
      + (outcome.refusal.field === undefined ? '' : ` (${outcome.refusal.field})`);
  return [head, ...applied.changes.map((change) => {
    const spec = (change.object as { spec?: { clusterIP?: string; ports?: { nodePort?: number }[] } }).spec;
    const given = spec?.clusterIP === undefined ? '' : ` ${spec.clusterIP}`;
    const ports = (spec?.ports ?? []).map((port) => port.nodePort).filter((port) => port !== undefined);
    return `  ${change.type} ${change.key} @${change.object.metadata.resourceVersion}${given}`
      + `${ports.length > 0 ? ` node ports ${ports.join(' ')}` : ''}`;
  })].join('\n');
}

const line = (object: KubeObject): string =>
  `${object.metadata.namespace ?? ''}/${object.metadata.name} @${object.metadata.resourceVersion}`;

test('a member that starts from a snapshot stays equal to one that applied everything', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = createRandom(seed);
    const whole = createState();
    let restored: State | null = null;
    for (let at = 1; at <= 400; at++) {
      const entry = randomEntry(random, at, whole);
      const applied = applyEntry(whole, entry);
      if (restored !== null) {
        assert.equal(applyEntry(restored, entry), applied);
        assert.is(digestOf(restored), digestOf(whole));
      }
      if (at === 200) restored = decodeState(encodeState(whole)) as State;
    }
    assert.is(fullDigest(restored as State), fullDigest(whole));
    assert.equal(encodeState(restored as State), encodeState(whole));
  }
});

test('the digest tells states apart that differ in one field', () => {
  const digest = (value: string): string => {
    const state = createState();
    applyEntry(state, command(1, 1, [{ op: 'create', key: objectKey(resourceName('core/nodes'), '', 'n'),
      object: thing('n', '', value) }]));
    return digestOf(state);
  };
  assert.is(digest('a'), digest('a'));
  assert.is.not(digest('a'), digest('b'));
});

test('changes are kept in a bounded window, and a watch from before it is told', () => {
  const state = createState();
  const total = 2 * limits.changesKept + 10;
  for (let at = 1; at <= total; at++) {
    applyEntry(state, command(at, at, [{ op: 'create', key: objectKey(resourceName('core/nodes'), '', `n${at}`),
      object: thing(`n${at}`, '', '') }]));
  }
  assert.is(changesSince(state, revision(1)), 'expired');
  const kept = changesSince(state, revision(total - limits.changesKept));
  assert.is.not(kept, 'expired');
  assert.is((kept as readonly unknown[]).length, limits.changesKept);
});

test('a list that was handed out does not change afterwards', () => {
  const state = createState(), nodes = resourceName('core/nodes');
  const create = (at: number, name: string): void => {
    applyEntry(state, command(at, at, [{ op: 'create', key: objectKey(nodes, '', name), object: thing(name, '', '') }]));
  };
  create(1, 'b');
  const before = list(state, nodes);
  create(2, 'a');
  assert.equal(before.map((node) => node.metadata.name), ['b']);
  assert.equal(list(state, nodes).map((node) => node.metadata.name), ['a', 'b']);
});

function thing(name: string, namespace: string, value: string): KubeObject {
  const object = {
    apiVersion: 'v1', kind: 'Thing', value,
    metadata: { name, namespace, uid: `uid-${name}`, resourceVersion: '', creationTimestamp: '' },
  };
  return object;
}

function command(at: number, sequence: number, ops: readonly Op[]): Entry {
  const data = encodeCommand({ id: { origin, incarnation: 1, sequence }, ops });
  return { index: index(at), term: term(1), kind: 'command', data };
}

function randomEntry(random: ReturnType<typeof createRandom>, at: number, state: State): Entry {
  if (random.chance(1, 20)) return { index: index(at), term: term(1), kind: 'noop', data: new Uint8Array() };
  const ops = Array.from({ length: random.between(1, 3) }, (): Op => {
    const kind = ['core/nodes', 'core/namespaces'][random.below(2)] ?? '', name = `x${random.below(12)}`;
    const key = objectKey(resourceName(kind), '', name), stored = get(state, key);
    if (stored === null || random.chance(1, 6)) return { op: 'create', key, object: thing(name, '', `${random.below(5)}`) };
    if (random.chance(1, 3)) return { op: 'delete', key, expect: random.chance(1, 4) ? { revision: revision(1) } : {} };
    return { op: 'update', key, object: { ...stored, ...thing(name, '', `${random.below(5)}`) } };
  });
  // Now and then a command comes a second time.
  return command(at, random.chance(1, 10) ? Math.max(1, at - random.below(30)) : at, ops);
}

test.run();
