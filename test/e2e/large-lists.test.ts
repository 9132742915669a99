// A large list on a real peer: a client that does not read it costs no more than a window of it and holds
// up nobody; when it reads on, it gets the whole of what it had asked for. Compressed, it says the same.

import { connect } from 'node:http2';
import type { ClientHttp2Stream } from 'node:http2';
import { gunzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { endpointOf } from '../../bench/rest.ts';
import type { ConfigMap } from '../../cluster/api/types.ts';
import { limits } from '../../cluster/limits.ts';
import { clusterTests } from './cluster.ts';

const onPeers = clusterTests(test, { peers: 1, runtime: 'process' });
const path = '/api/v1/namespaces/default/configmaps', objects = 60, valueChars = 100_000;

onPeers('a slow reader of a large list holds up nobody, and gets the list as it was', async (cluster) => {
  const [peer] = cluster.peers;
  assert.ok(peer);
  for (let n = 0; n < objects; n += 1) {
    const text = String(n).padEnd(valueChars, 'x');
    await peer.api.json('POST', path, { metadata: { name: `large-${n}` }, data: { text } });
  }
  const { endpoint, identity } = endpointOf(peer);
  const session = connect(`https://${endpoint.host}:${endpoint.port}`, identity);
  session.on('error', () => undefined);
  try {
    const slow = session.request({ ':path': path });
    await new Promise((done) => { slow.on('response', done); });
    // It reads nothing: what others ask and change goes on.
    await peer.api.json('DELETE', `${path}/large-0`);
    const now = await peer.api.json<{ items: ConfigMap[] }>('GET', path);
    assert.is(large(now.items).length, objects - 1);
    assert.ok(slow.readableLength < limits.answerBufferBytesMax, `${slow.readableLength} bytes came unasked`);
    const then = JSON.parse((await read(slow)).toString()) as { items: ConfigMap[] };
    assert.is(large(then.items).length, objects, 'as it was when it was asked for');
    const zipped = await read(session.request({ ':path': path, 'accept-encoding': 'gzip' }));
    assert.ok(zipped.length < valueChars, `${zipped.length} bytes`);
    const { items } = JSON.parse(gunzipSync(zipped).toString()) as { items: ConfigMap[] };
    assert.equal(items, now.items);
  } finally {
    session.destroy();
  }
});

const large = (items: readonly ConfigMap[]): readonly ConfigMap[] =>
  items.filter(({ metadata }) => metadata.name.startsWith('large-'));

function read(stream: ClientHttp2Stream): Promise<Buffer> {
  const parts: Buffer[] = [];
  return new Promise((done, fail) => {
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('end', () => done(Buffer.concat(parts)));
    stream.on('error', fail);
  });
}

test.run();
