// Which kinds a state serves, and that asking again costs nothing: the same kinds are the same values.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { builtIn, createRegistry, registryOf } from '../../cluster/api/registry.ts';
import { kind } from '../../cluster/api/resources/kind.ts';
import { createState } from '../../cluster/state/state.ts';

test('every built-in kind is found by its path and by its kind', () => {
  for (const resource of builtIn.all()) {
    const { group, version } = resource;
    assert.is(builtIn.find(group, version, resource.resource), resource);
    assert.is(builtIn.byKind(group === '' ? version : `${group}/${version}`, resource.kind), resource);
  }
  assert.is(builtIn.find('apps', 'v1', 'pods'), null);
  assert.is(builtIn.find('', 'v1', '__proto__'), null);
  assert.is(builtIn.byKind('v1', 'constructor'), null);
});

test('a state without definitions serves the built-in kinds', () => {
  assert.is(registryOf(createState()), builtIn);
});

test('a group and version stays the same value as long as its kinds do', () => {
  const custom = (resource: string): Parameters<typeof createRegistry>[0][number] => kind({
    group: 'example.com', version: 'v1', resource, singular: resource, kind: resource,
    schema: { type: 'object', fields: {} }, columns: [],
  });
  const [first, second] = [custom('apples'), custom('pears')];
  const before = createRegistry([...builtIn.all(), first]);
  const same = createRegistry([...builtIn.all(), first]);
  const more = createRegistry([...builtIn.all(), first, second]);
  assert.is(before.groupVersions(), before.groupVersions());
  const groups = before.groupVersions().map(({ group }) => group);
  assert.equal(groups, [...groups].sort());
  const changed = (registry: typeof more): readonly string[] => registry.groupVersions()
    .filter((each) => each.kinds.length > 0 && !before.groupVersions().includes(each))
    .map(({ group }) => group);
  assert.equal(changed(same), []);
  assert.equal(changed(more), ['example.com']);
  assert.is(more.find('example.com', 'v1', 'pears'), second);
});

test('of a group, the version that clients should prefer comes first', () => {
  const names =
    ['v1alpha1', 'foo10', 'v10beta3', 'v2', 'v11alpha2', 'v3beta1', 'v10', 'v12alpha1', 'foo1', 'v1'];
  const kinds = names.map((version) => kind({
    group: 'example.com', version, resource: 'apples', singular: 'apple', kind: 'Apple',
    schema: { type: 'object', fields: {} }, columns: [],
  }));
  const versions = createRegistry(kinds).groupVersions().filter(({ group }) => group === 'example.com');
  assert.equal(versions.map(({ version }) => version),
    ['v10', 'v2', 'v1', 'v10beta3', 'v3beta1', 'v12alpha1', 'v11alpha2', 'v1alpha1', 'foo1', 'foo10']);
});

test('no other kind takes the place of a built-in one', () => {
  const false_ = kind({
    group: '', version: 'v1', resource: 'pods', singular: 'pod', kind: 'Pod',
    schema: { type: 'object', fields: {} }, columns: [],
  });
  const registry = createRegistry([...builtIn.all(), false_]);
  assert.is(registry.find('', 'v1', 'pods'), builtIn.find('', 'v1', 'pods'));
});

test.run();
