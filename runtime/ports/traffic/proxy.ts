// Node ports in user space: a listener per node port on the node's own address, each connection carried to
// the next backend in turn; UDP by one socket per client.
//
// What always holds: a connection that was made keeps its backend when the table changes; a backend that
// refuses is passed over for the next one before the client hears of it; idle UDP clients are forgotten.

import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket as DatagramSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { Route } from '../../../cluster/ports.ts';

export interface ProxyOptions { readonly hostIP: string; readonly log: (line: string) => void }

export interface Proxy { apply(routes: readonly Route[]): void; close(): Promise<void> }

type Backend = Route['backends'][number];

interface Listener {
  backends: readonly Backend[];
  next: number;
  close(): void;
}

const connectTimeoutMs = 3_000, udpIdleMs = 60_000, udpClientsMax = 4_096, relistenMs = 5_000;

export function createProxy(options: ProxyOptions): Proxy {
  const listeners = new Map<string, Listener>();
  return {
    apply(routes) {
      const wanted = new Map(routes.map((route) => [`${route.protocol}/${route.nodePort}`, route]));
      for (const [name, listener] of listeners) {
        if (wanted.has(name)) continue;
        listener.close();
        listeners.delete(name);
      }
      for (const [name, route] of wanted) {
        const known = listeners.get(name);
        if (known !== undefined) known.backends = route.backends;
        else listeners.set(name, route.protocol === 'TCP'
          ? listenTcp(options, route) : listenUdp(options, route));
      }
    },
    close() {
      for (const listener of listeners.values()) listener.close();
      listeners.clear();
      return Promise.resolve();
    },
  };
}

/** The next backend in turn; null where there is none. */
function pick(listener: Listener): Backend | null {
  if (listener.backends.length === 0) return null;
  listener.next = (listener.next + 1) % listener.backends.length;
  return listener.backends[listener.next] ?? null;
}

function listenTcp(options: ProxyOptions, route: Route): Listener {
  const sockets = new Set<Socket>();
  let server: Server | null = null, closed = false, timer: NodeJS.Timeout | null = null, told = false;
  const listener: Listener = {
    backends: route.backends, next: -1,
    close() {
      closed = true;
      if (timer !== null) clearTimeout(timer);
      server?.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  const start = (): void => {
    server = createServer({ allowHalfOpen: true }, (client) => {
      sockets.add(client);
      client.on('close', () => sockets.delete(client));
      client.on('error', () => client.destroy());
      carry(listener, client, listener.backends.length);
    });
    server.on('error', (error) => {
      if (!told) options.log(`node port ${route.nodePort} of ${route.name} on ${options.hostIP}: ${
        error.message}`);
      told = true;
      // Whoever holds the port may let go of it.
      if (!closed) timer = setTimeout(start, relistenMs);
    });
    server.listen({ host: options.hostIP, port: route.nodePort, backlog: 4_096 });
  };
  start();
  return listener;
}

/** Connects to a backend; one that does not answer is passed over, each at most once. */
function carry(listener: Listener, client: Socket, left: number): void {
  const backend = left > 0 ? pick(listener) : null;
  if (backend === null) return void client.resetAndDestroy();
  const upstream = connect({ host: backend.ip, port: backend.port, allowHalfOpen: true });
  const timer = setTimeout(() => upstream.destroy(new Error('no answer')), connectTimeoutMs);
  let connected = false;
  upstream.on('connect', () => {
    connected = true;
    clearTimeout(timer);
    client.pipe(upstream);
    upstream.pipe(client);
  });
  upstream.on('error', () => upstream.destroy());
  upstream.on('close', (broken) => {
    clearTimeout(timer);
    if (client.destroyed) return;
    if (!connected) carry(listener, client, left - 1);
    // What the backend has said in full may still be on its way to the client.
    else if (broken) client.destroy();
    else client.end();
  });
  client.on('close', () => upstream.destroy());
}

function listenUdp(options: ProxyOptions, route: Route): Listener {
  let front = createSocket('udp4'), timer: NodeJS.Timeout | null = null;
  let told = false, closed = false;
  const clients = new Map<string, { readonly socket: DatagramSocket; timer: NodeJS.Timeout }>();
  const forget = (name: string): void => {
    clients.get(name)?.socket.close();
    clients.delete(name);
  };
  const listener: Listener = {
    backends: route.backends, next: -1,
    close() {
      closed = true;
      if (timer !== null) clearTimeout(timer);
      front.close();
      for (const [name, client] of clients) {
        clearTimeout(client.timer);
        forget(name);
      }
    },
  };
  function start(): void {
    front.on('error', (error) => {
      if (!told) options.log(`node port ${route.nodePort}/UDP of ${route.name} on ${options.hostIP}: ${
        error.message}`);
      told = true;
      // Whoever holds the port may let go of it.
      if (!closed) timer = setTimeout(() => {
        front.close();
        front = createSocket('udp4');
        start();
      }, relistenMs);
    });
    front.on('message', take);
    front.bind(route.nodePort, options.hostIP);
  }
  function take(data: Buffer, from: RemoteInfo): void {
    const name = `${from.address}:${from.port}`;
    let client = clients.get(name);
    if (client === undefined) {
      const backend = pick(listener);
      if (backend === null || clients.size >= udpClientsMax) return;
      const socket = createSocket('udp4');
      socket.on('message', (answer) => front.send(answer, from.port, from.address));
      socket.on('error', () => forget(name));
      socket.connect(backend.port, backend.ip, () => socket.send(data));
      client = { socket, timer: setTimeout(() => forget(name), udpIdleMs) };
      clients.set(name, client);
      return;
    }
    client.timer.refresh();
    try {
      client.socket.send(data);
    } catch { /* not connected yet: UDP promises nothing */ }
  }
  start();
  return listener;
}
