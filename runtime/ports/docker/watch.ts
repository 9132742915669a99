// The engine's events, turned into facts; and whether the engine answers at all.
//
// What always holds: each event makes us inspect and report what is, so a repeated or late event does no
// harm; after a break in the stream `runtime-health up` tells the owner to list again; reconnecting backs off
// to 5 s.

import type Dockerode from 'dockerode';
import type { Readable } from 'node:stream';
import type { ContainersEvent } from '../../../cluster/ports.ts';
import { label, messageOf, sandboxFact, statusOf } from './facts.ts';
import type { FactOf } from './messages.ts';

const actions = ['start', 'die', 'oom', 'destroy', 'stop', 'pause', 'unpause'];
const reconnectMsMin = 200, reconnectMsMax = 5_000;

export interface EngineWatch { close(): Promise<void> }

export function watchEngine(
  docker: Dockerode, owner: string, factOf: FactOf, deliver: (event: ContainersEvent) => void,
): EngineWatch {
  let closed = false, up: boolean | null = null, waitMs = reconnectMsMin;
  let stream: Readable | null = null, timer: NodeJS.Timeout | null = null;

  function health(now: boolean, message: string): void {
    if (closed || up === now) return;
    up = now;
    deliver({ type: 'runtime-health', up: now, message });
  }

  async function connect(): Promise<void> {
    const filters = { type: ['container' as const], event: actions, label: [`${label.owner}=${owner}`] };
    const opened = await docker.getEvents({ filters }) as Readable;
    if (closed) return void opened.destroy();
    stream = opened;
    waitMs = reconnectMsMin;
    health(true, '');
    let rest = '';
    opened.on('data', (data: Buffer) => {
      const lines = (rest + data.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') event(JSON.parse(line) as EngineEvent);
    });
    const broken = (why: string): void => {
      if (stream !== opened) return;
      stream = null;
      opened.destroy();
      again(why);
    };
    opened.on('end', () => broken('the event stream ended'));
    opened.on('error', (error: Error) => broken(error.message));
  }

  function again(why: string): void {
    if (closed) return;
    health(false, `Docker does not answer: ${why}`);
    timer = setTimeout(run, waitMs);
    waitMs = Math.min(waitMs * 2, reconnectMsMax);
  }

  function run(): void {
    connect().catch((error: unknown) => again(messageOf(error)));
  }

  function event({ Action: action, Actor: { ID: id, Attributes: attributes } }: EngineEvent): void {
    const sandbox = attributes[label.kind] === 'sandbox';
    if (action === 'destroy') return gone(id, sandbox);
    look(id, sandbox).then((found) => { if (!closed) deliver(found); }, (error: unknown) => {
      // Gone between the event and the look: its `destroy` follows. Anything else shows in the next list.
      if (statusOf(error) === 404) gone(id, sandbox);
    });
  }

  async function look(id: string, sandbox: boolean): Promise<ContainersEvent> {
    const info = await docker.getContainer(id).inspect();
    if (sandbox) return { type: 'sandbox-changed', sandbox: sandboxFact(info) };
    return { type: 'container-changed', container: await factOf(info) };
  }

  function gone(id: string, sandbox: boolean): void {
    if (!closed) deliver(sandbox ? { type: 'sandbox-gone', id } : { type: 'container-gone', id });
  }

  run();
  return {
    close() {
      closed = true;
      if (timer !== null) clearTimeout(timer);
      stream?.destroy();
      return Promise.resolve();
    },
  };
}

interface EngineEvent {
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
}
