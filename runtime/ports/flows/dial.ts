// A connection to a pod's port as a flow.
// What always holds: it ends when the other side has said all, or can't be reached; what the client said last
// is written before.

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { limits } from '../../../cluster/limits.ts';
import { failedFlow } from '../../../cluster/flow.ts';
import type { FlowInput } from '../../../cluster/flow.ts';
import type { ContainersEvent } from '../../../cluster/ports.ts';
import { createOutlet, give, read } from './pipe.ts';

/** One flow that is open at a runtime. */
export interface OpenFlow {
  input(input: FlowInput): void;
  credit(bytes: number): void;
  close(): void;
}

/** Resolves once connected. */
export function reach(host: string, port: number): Promise<Socket> {
  return new Promise((done, fail) => {
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
    const timer = setTimeout(() => socket.destroy(new Error(`connect ${host}:${port}: timed out`)),
      limits.flowDialMs);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      done(socket);
    });
    socket.once('error', fail);
    socket.once('close', () => clearTimeout(timer));
  });
}

export function isRefused(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
}

/** The flow over a connection that is made. */
export function connectionFlow(
  flow: string, socket: Socket, credit: number, deliver: (event: ContainersEvent) => void, over: () => void,
): OpenFlow {
  const outlet = createOutlet({
    flow, credit, deliver, pause: () => socket.pause(), resume: () => socket.resume(),
    over() {
      socket.end();
      // What it has not taken by then it never will.
      setTimeout(() => socket.destroy(), limits.flowDrainMs).unref();
      over();
    },
  });
  let why: Error | null = null;
  socket.on('error', (error: Error) => { why = error; });
  read(socket, 'stdout', outlet);
  socket.on('end', () => outlet.end({ type: 'closed' }));
  socket.on('close', () => outlet.end(why === null ? { type: 'closed' } : failedFlow(why.message)));
  return {
    input(given) {
      if (given.type === 'data') give(flow, socket, given.data, deliver);
      else if (given.type === 'eof') socket.end();
    },
    credit: (bytes) => outlet.credit(bytes),
    close() {
      outlet.close();
      socket.destroy();
    },
  };
}
