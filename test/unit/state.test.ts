// The replicated state: transcripts of commands and outcomes, and its bounds. Random runs are in
// `state-random.test.ts`.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { index, objectKey, peerId, resourceName, revision, term } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import type { Entry } from '../../cluster/log/types.ts';
import { applyEntry } from '../../cluster/state/apply.ts';
import { digestOf, fullDigest } from '../../cluster/state/digest.ts';
import { dependents, get, list, objectsInNamespace, podsOnNode } from '../../cluster/state/query.ts';
import { decodeState, difference, encodeState } from '../../cluster/state/snapshot.ts';
import { createState, mutable } from '../../cluster/state/state.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Applied, Op } from '../../cluster/state/types.ts';
import { changesSince } from '../../cluster/state/watch.ts';
import { wasApplied } from '../../cluster/state/windows.ts';
import { encodeCommand } from '../../cluster/wire.ts';
import { transcripts } from '../transcript.ts';
import type { TranscriptCommand } from '../transcript.ts';

const origin = peerId('peer-1');

transcripts((name, body) => test(`transcript ${name}`, body), 'test/data/state', () => {
  let state = createState({ serviceCidr: '10.96.0.0/24' }), sequence = 0;
  function apply(ops: Op[], options: Readonly<Record<string, string>>): string {
    sequence = Number(options['sequence'] ?? sequence + 1);
    const id = {
      origin: peerId(options['origin'] ?? 'peer-1'), incarnation: Number(options['incarnation'] ?? 1),
      sequence,
    };
    const fence = options['fence'] === undefined ? {} : { fence: term(Number(options['fence'])) };
    return show(applyEntry(state, next('command', options, encodeCommand({ id, ...fence, ops }))));
  }
  function next(
    kind: Entry['kind'], options: Readonly<Record<string, string>>, data: Uint8Array = new Uint8Array(),
  ): Entry {
    const at = index(state.revision + 1);
    return { index: at, term: term(Number(options['term'] ?? (state.term || 1))), kind, data };
  }
  return ({ name, words, options, input }: TranscriptCommand): string => {
    switch (name) {
      case 'apply': return apply(input.split(/^--$/m).map((part) => readOp(part, state)), options);
      case 'cluster':
        state = createState({ serviceCidr: options['services'] ?? '10.96.0.0/24' });
        sequence = 0;
        return 'ok';
      case 'noop': case 'config': return show(applyEntry(state, next(name, options)));
      case 'unreadable': {
        return show(applyEntry(state, next('command', options, new TextEncoder().encode(input))));
      }
      case 'get': return JSON.stringify(get(state, words[0] as ObjectKey));
      case 'list': return lines(list(state, resourceName(words[0] ?? ''), words[1]).map(line));
      case 'namespace': return lines(objectsInNamespace(state, words[0] ?? '').map(({ key }) => key));
      case 'dependents': return lines(dependents(state, words[0] ?? '').map(({ key }) => key));
      case 'pods-on': return lines(podsOnNode(state, words[0] ?? '').map(line));
      case 'since': {
        const changes = changesSince(state, revision(Number(words[0])), words[1]);
        return changes === 'expired' ? changes
          : lines(changes.map((change) => `${change.revision} ${change.type} ${change.key}`));
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
      name, ...namespace === '' ? {} : { namespace }, uid, resourceVersion: '', creationTimestamp: '',
      ...fields.metadata,
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

const lines = (texts: readonly string[]): string => texts.join('\n') || 'nothing';

const line = (object: KubeObject): string =>
  `${object.metadata.namespace ?? ''}/${object.metadata.name} @${object.metadata.resourceVersion}`;

test('the digest tells states apart that differ in one field', () => {
  const digest = (value: string): string => {
    const state = createState();
    applyEntry(state, creation(1, 'n', value));
    return digestOf(state);
  };
  assert.is(digest('a'), digest('a'));
  assert.is.not(digest('a'), digest('b'));
});

test('changes are kept in a bounded window, and a watch from before it is told', () => {
  const state = createState();
  const total = 2 * limits.changesKept + 10;
  for (let at = 1; at <= total; at++) {
    applyEntry(state, creation(at, `n${at}`));
  }
  assert.is(changesSince(state, revision(1)), 'expired');
  const kept = changesSince(state, revision(total - limits.changesKept));
  assert.is.not(kept, 'expired');
  assert.is((kept as readonly unknown[]).length, limits.changesKept);
});

test('a list that was handed out does not change afterwards', () => {
  const state = createState(), nodes = resourceName('core/nodes');
  applyEntry(state, creation(1, 'b'));
  const before = list(state, nodes);
  assert.is(list(state, nodes), before, 'the same array until something changes');
  applyEntry(state, creation(2, 'a'));
  assert.equal(before.map((node) => node.metadata.name), ['b']);
  assert.equal(list(state, nodes).map((node) => node.metadata.name), ['a', 'b']);
});

test('the origin that wrote least lately is forgotten first', () => {
  const state = createState(), total = limits.commandOriginsMax + 1;
  for (let at = 1; at <= total; at++) applyEntry(state, creation(at, `n${at}`, '', `peer-${at}`));
  const known = (at: number): boolean =>
    wasApplied(mutable(state), { origin: peerId(`peer-${at}`), incarnation: 1, sequence: at });
  assert.not(known(1));
  assert.ok(known(2));
  assert.ok(known(total));
});

test('an entry that does not follow stops the peer', () => {
  const state = createState();
  assert.throws(() => applyEntry(state, creation(2, 'n')), /does not follow revision 0/);
});

test('a snapshot that is cut short is refused, wherever it is cut', () => {
  const state = createState();
  for (let at = 1; at <= 20; at++) applyEntry(state, creation(at, `n${at}`, 'ü€😀'));
  const bytes = encodeState(state);
  // Without its last newline it is still whole.
  for (let length = 0; length < bytes.length - 1; length++) {
    assert.ok('refusal' in decodeState(bytes.subarray(0, length)), `cut at ${length} of ${bytes.length}`);
  }
  assert.not('refusal' in decodeState(bytes));
});

test('a snapshot of more than one chunk, one line of it larger than a chunk', () => {
  const state = createState();
  for (let at = 1; at <= 40; at++) {
    applyEntry(state, creation(at, `n${at}`, '€'.repeat(at === 20 ? 450_000 : 40_000)));
  }
  const back = decodeState(encodeState(state));
  if ('refusal' in back) throw new Error(back.refusal);
  assert.is(fullDigest(back), fullDigest(state));
});

/** Creates a Node. */
function creation(at: number, name: string, value = '', from: string = origin): Entry {
  const object = {
    apiVersion: 'v1', kind: 'Node', value,
    metadata: { name, uid: `uid-${name}`, resourceVersion: '', creationTimestamp: '' },
  };
  const op: Op = { op: 'create', key: objectKey(resourceName('core/nodes'), '', name), object };
  const data = encodeCommand({ id: { origin: peerId(from), incarnation: 1, sequence: at }, ops: [op] });
  return { index: index(at), term: term(1), kind: 'command', data };
}

test.run();
