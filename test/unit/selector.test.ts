// Selectors of labels and fields: what they parse, what they match, what they print.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createRandom } from '../../cluster/random.ts';
import {
  formatSelector, matchesLabels, matchesRequirements, matchesSelector, parseFieldSelector, parseLabelSelector,
} from '../../cluster/api/selector.ts';
import type { Labels } from '../../cluster/api/selector.ts';

function picks(text: string, labels: Labels | undefined): boolean {
  const parsed = parseLabelSelector(text);
  assert.ok(parsed.ok, `${text} is a selector`);
  return parsed.ok && matchesRequirements(parsed.value, labels);
}

function refusal(text: string): string {
  const parsed = parseLabelSelector(text);
  return parsed.ok ? 'accepted' : parsed.message;
}

const web = { app: 'web', tier: 'front', weight: '12', 'example.com/x': '' };

test('what label selectors pick', () => {
  const yes = ['', 'app', 'app=web', 'app==web', ' app = web ', 'app!=db', 'other!=db', '!other',
    'app in (web,db)', 'app in (web)', 'app notin (db)', 'other notin (db)', 'app=web,tier=front',
      'weight>11', 'weight<13',
    'example.com/x', 'example.com/x=', 'example.com/x in (,a)', 'app in(web)', 'in!=x'];
  const no = ['other', 'app=db', 'app=', 'app!=web', '!app', 'app in (db)', 'app notin (web)',
    'app=web,tier=back', 'weight>12', 'weight<12', 'app>1', 'other>1', 'constructor', 'in'];
  for (const text of yes) assert.is(picks(text, web), true, text);
  for (const text of no) assert.is(picks(text, web), false, text);
  assert.is(picks('a', undefined), false);
  assert.is(picks('!a', undefined), true);
});

test('what is no label selector', () => {
  assert.is(refusal('a b'), "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt");
  assert.is(refusal('a=b,'), "found '', expected: identifier after ','");
  assert.is(refusal(',a'), "found ',', expected: !, identifier, or 'end of string'");
  assert.is(refusal('a in b'), "unable to parse requirement: found 'b' expected: '('");
  assert.is(refusal('a in (b'), "unable to parse requirement: found '', expected: ',' or ')'");
  assert.is(refusal('a=(b)'), "unable to parse requirement: found '(', expected: identifier");
  assert.is(refusal('a=b c'), "found 'c', expected: ',' or 'end of string'");
  assert.is(refusal('!a=b'), "found '=', expected: ',' or 'end of string'");
  assert.match(refusal('a in ()'), "values set can't be empty");
  assert.match(refusal('a>b'), 'the value must be an integer');
  assert.match(refusal('-a'), '<nil>: Invalid value: "-a": name part must consist of');
  assert.match(refusal('a=-b'), 'values[0][a]: Invalid value: "-b": a valid label must be');
  assert.match(refusal('a/b/c'), 'a qualified name must consist of');
  assert.match(refusal(`${'a'.repeat(64)}`), 'name part must be no more than 63 characters');
});

test('parsing never throws, whatever comes', () => {
  const random = createRandom(7);
  const alphabet = ['a', 'in', 'notin', '1', ...' =!(),></\\\u0000é-'];
  let accepted = 0;
  for (let i = 0; i < 20_000; i++) {
    const length = random.below(12);
    let text = '';
    for (let k = 0; k < length; k++) text += alphabet[random.below(alphabet.length)];
    const labels = parseLabelSelector(text);
    if (labels.ok) accepted += 1;
    else assert.ok(labels.message.length > 0);
    if (labels.ok) matchesRequirements(labels.value, { a: 'a', in: '1' });
    const fields = parseFieldSelector(text);
    if (!fields.ok) assert.ok(fields.message.length > 0);
  }
  assert.ok(accepted > 1_000, 'some of the drawn texts are selectors');
});

test('LabelSelector objects', () => {
  assert.is(matchesSelector({ matchLabels: { app: 'web' } }, web), true);
  assert.is(matchesSelector({ matchLabels: { app: 'db' } }, web), false);
  assert.is(matchesSelector({}, web), true);
  assert.is(matchesSelector(undefined, web), false);
  const expressions = (operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist', values: string[]): boolean =>
    matchesSelector({ matchExpressions: [{ key: 'app', operator, values }] }, web);
  assert.is(expressions('In', ['web']), true);
  assert.is(expressions('NotIn', ['web']), false);
  assert.is(expressions('Exists', []), true);
  assert.is(expressions('DoesNotExist', []), false);
  assert.is(matchesLabels({}, web), false);
  assert.is(matchesLabels({ app: 'web' }, web), true);
  assert.is(matchesLabels({ constructor: 'x' }, web), false);
});

test('a formatted selector picks what its object picks', () => {
  const random = createRandom(11);
  const pick = <T>(from: readonly T[]): T => from[random.below(from.length)] as T;
  for (let i = 0; i < 2_000; i++) {
    const matchLabels: Record<string, string> = {};
    for (let k = random.below(3); k > 0; k--) matchLabels[pick(['a', 'b', 'c'])] = pick(['', '1', '2']);
    const matchExpressions = Array.from({ length: random.below(3) }, () => {
      const operator = pick(['In', 'NotIn', 'Exists', 'DoesNotExist'] as const);
      const values = operator.endsWith('In') ? [pick(['', '1', '2'])] : [];
      return { key: pick(['a', 'b', 'c']), operator, values };
    });
    const selector = { matchLabels, matchExpressions };
    const labels: Record<string, string> = {};
    for (let k = random.below(4); k > 0; k--) labels[pick(['a', 'b', 'c'])] = pick(['', '1', '2']);
    const text = formatSelector(selector);
    const which = `${text} on ${JSON.stringify(labels)}`;
    assert.is(picks(text, labels), matchesSelector(selector, labels), which);
  }
});

test('field selectors', () => {
  const parsed = parseFieldSelector('status.phase=Running,spec.nodeName!=n1,metadata.name==x\\,y\\=z\\\\,a=');
  assert.equal(parsed, { ok: true, value: [
    { field: 'status.phase', equal: true, value: 'Running' },
    { field: 'spec.nodeName', equal: false, value: 'n1' },
    { field: 'metadata.name', equal: true, value: 'x,y=z\\' },
    { field: 'a', equal: true, value: '' },
  ] });
  assert.equal(parseFieldSelector(''), { ok: true, value: [] });
  assert.equal(parseFieldSelector('a'), { ok: false,
    message: "invalid selector: 'a'; can't understand 'a'" });
  assert.is(parseFieldSelector('a=b=c').ok, false);
  assert.is(parseFieldSelector('a=b\\q').ok, false);
});

test.run();
