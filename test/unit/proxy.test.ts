// Node ports with real connections: what is carried, to whom, and what happens when a backend is not there.

import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Route } from '../../cluster/ports.ts';
import { createProxy } from '../../runtime/ports/traffic/proxy.ts';

const host = '127.0.0.1';
const closers: (() => void | Promise<void>)[] = [];

test.after.each(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A server on a free port; `serve` gets each connection. */
function backend(serve: (socket: Socket) => void, port = 0): Promise<number> {
  return new Promise((done, fail) => {
    const sockets = new Set<Socket>();
    const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      serve(socket);
    });
    server.once('error', fail);
    server.listen(port, host, () => done((server.address() as AddressInfo).port));
    closers.push(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
  });
}

/** One that nobody listens on. */
async function deadPort(): Promise<number> {
  const port = await backend(() => undefined);
  await closers.pop()?.();
  return port;
}

const named = (name: string): Promise<number> => backend((socket) => socket.end(name));

function proxy() {
  const said: string[] = [];
  const made = createProxy({ hostIP: host, log: (line) => { said.push(line); } });
  closers.push(() => made.close());
  return { said, apply: made.apply };
}

const route = (nodePort: number, backends: readonly number[],
  protocol: Route['protocol'] = 'TCP'): Route => ({
  name: 'default/web:http', protocol, clusterIP: '10.96.0.9', port: 80, nodePort,
  backends: backends.map((port) => ({ ip: host, port })),
});

/** Everything that comes from `port`, after `text` was sent and this side was ended. */
function fetchAll(port: number, text = ''): Promise<string> {
  return new Promise((done, fail) => {
    const socket = connect({ host, port, allowHalfOpen: true });
    let got = '';
    socket.setEncoding('latin1').on('data', (part: string) => { got += part; });
    socket.on('end', () => done(got));
    socket.on('error', fail);
    socket.end(text);
  });
}

/** The listener opens a moment after the table is applied. */
async function eventually(port: number): Promise<string> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await fetchAll(port);
    } catch (error) {
      if (tries > 100) throw error;
      await new Promise((done) => setTimeout(done, 10));
    }
  }
}

test('connections go to the backends in turn; one that is not there is passed over', async () => {
  const port = await deadPort(), { apply } = proxy();
  apply([route(port, [await named('a'), await deadPort(), await named('b')])]);
  const got = [await eventually(port)];
  for (let n = 0; n < 7; n += 1) got.push(await fetchAll(port));
  assert.equal([...new Set(got)].sort(), ['a', 'b']);
});

test('without a backend a connection is refused, not left hanging', async () => {
  const port = await deadPort(), { apply } = proxy();
  apply([route(port, [await named('a')])]);
  await eventually(port);
  apply([route(port, [await deadPort()])]);
  await fetchAll(port).then(() => assert.unreachable(), () => undefined);
  apply([route(port, [])]);
  await fetchAll(port).then(() => assert.unreachable(), () => undefined);
});

test('a client that has said all it wants to say gets the whole answer, however slowly it reads',
  async () => {
  // More than the kernel's buffers hold.
  const size = 32 * 1024 * 1024, port = await deadPort(), { apply } = proxy();
  apply([route(port, [await backend((socket) => {
    socket.resume().on('end', () => socket.end(Buffer.alloc(size, 'x')));
  })])]);
  await eventually(port);
  const got = await new Promise<number>((done, fail) => {
    const socket = connect({ host, port, allowHalfOpen: true });
    let bytes = 0;
    socket.on('data', (part: Buffer) => {
      bytes += part.length;
      socket.pause();
      setTimeout(() => socket.resume(), bytes > size - 6 * 1024 * 1024 ? 10 : 0);
    });
    socket.on('end', () => done(bytes)).on('error', fail);
    socket.end('all of it, please');
  });
  assert.is(got, size);
});

test('a connection keeps its backend when the table changes', async () => {
  const port = await deadPort(), { apply } = proxy();
  apply([route(port, [await backend((socket) => {
    socket.on('data', () => socket.write('old')).on('end', () => socket.end());
  })])]);
  await eventually(port);
  const socket = connect(port, host);
  const heard = (): Promise<string> =>
    new Promise((done) => socket.once('data', (part) => done(String(part))));
  socket.write('?');
  assert.is(await heard(), 'old');
  apply([route(port, [await named('new')])]);
  assert.is(await fetchAll(port), 'new');
  socket.write('?');
  assert.is(await heard(), 'old');
  apply([]);
  await new Promise((done) => socket.on('close', done));
});

test('datagrams go to a backend and back', async () => {
  const echo = createSocket('udp4'), client = createSocket('udp4'), port = await deadPort();
  closers.push(() => void echo.close(), () => void client.close());
  echo.on('message', (data, from) => echo.send(`${data}!`, from.port, from.address));
  await new Promise<void>((done) => echo.bind(0, host, done));
  const { apply } = proxy();
  apply([route(port, [echo.address().port], 'UDP')]);
  const heard = new Promise<string>((done) => client.once('message', (data) => done(String(data))));
  const asking = setInterval(() => client.send('hello', port, host), 20);
  assert.is(await heard, 'hello!');
  clearInterval(asking);
});

test.run();
