// Exec, attach and port-forward on the simulated runtime: a few programs that do the same every time.
//
//     cat                        says what it is told, and ends at the end of its input
//     echo WORDS                 says the words and ends; `echo-error` says them on its other way out
//     exit CODE                  ends with that code
//     sleep                      never ends by itself
//     size                       says each size of its terminal
//
// Any other word is not found. A port that the program listens on (SIM_LISTEN) says what it is told. What
// is attached to says what it prints from then on.
// What always holds: no more comes out than was granted; a flow ends once, with its container at the latest.

import { limits } from '../../../cluster/limits.ts';
import { failedFlow } from '../../../cluster/flow.ts';
import type { FlowChannel, FlowEnd, FlowInput, FlowTarget } from '../../../cluster/flow.ts';
import type { ContainersEvent } from '../../../cluster/ports.ts';
import type { SimContainer } from './host.ts';

export interface SimFlows {
  open(flow: string, target: FlowTarget, credit: number): void;
  input(flow: string, input: FlowInput): void;
  credit(flow: string, bytes: number): void;
  close(flow: string): void;
  /** The container printed something, exited, or is gone. */
  changed(container: string): void;
  /** The flows that are open, for tests. */
  count(): number;
}

export interface SimFlowsOptions {
  readonly container: (id: string) => SimContainer | null;
  /** The running containers of a sandbox. */
  readonly inside: (sandbox: string) => readonly SimContainer[];
  readonly deliver: (event: ContainersEvent) => void;
}

interface Flow {
  readonly name: string;
  /** Whose end ends it. */
  readonly container: SimContainer;
  readonly target: FlowTarget;
  readonly program: string;
  credit: number;
  readonly pending: { readonly channel: FlowChannel; readonly data: Uint8Array }[];
  /** How it ends once all is said. */
  end: FlowEnd | null;
  /** Attached: the next line of the container's output. */
  next: number;
}

export function createSimFlows(options: SimFlowsOptions): SimFlows {
  const { deliver } = options, flows = new Map<string, Flow>(), encoder = new TextEncoder();

  function say(flow: Flow, text: string, channel: FlowChannel = 'stdout'): void {
    const { target } = flow;
    const wanted = target.kind === 'dial' || (channel === 'stdout' ? target.stdout : target.stderr);
    if (wanted && text !== '') flow.pending.push({ channel, data: encoder.encode(text) });
  }

  function pump(flow: Flow): void {
    for (let first = flow.pending.shift(); first !== undefined; first = flow.pending.shift()) {
      const size = Math.min(first.data.length, flow.credit, limits.flowChunkBytes);
      if (size > 0) {
        flow.credit -= size;
        const { channel } = first, data = first.data.slice(0, size);
        deliver({ type: 'flow-output', flow: flow.name, channel, data });
      }
      if (size === first.data.length) continue;
      flow.pending.unshift({ ...first, data: first.data.slice(size) });
      if (size === 0) return;
    }
    if (flow.end !== null && flows.delete(flow.name)) {
      deliver({ type: 'flow-end', flow: flow.name, end: flow.end });
    }
  }

  function refuse(flow: string, message: string, missing = false): void {
    deliver({ type: 'flow-end', flow, end: failedFlow(message, missing) });
  }

  function open(name: string, target: FlowTarget, credit: number): void {
    const container = target.kind === 'dial'
      ? options.inside(target.sandbox).find((each) => each.behaviour.listens.includes(target.port)) ?? null
      : options.container(target.container);
    if (container === null || container.state !== 'running') {
      return refuse(name, target.kind === 'dial' ? `connect ECONNREFUSED port ${target.port}`
        : `no such container: ${target.container}`, target.kind !== 'dial');
    }
    const program = target.kind === 'exec' ? target.command[0] ?? '' : 'cat';
    const next = container.output.length;
    const flow: Flow = { name, container, target, program, credit, pending: [], end: null, next };
    flows.set(name, flow);
    if (target.kind === 'exec') begin(flow, target.command);
    pump(flow);
  }

  function begin(flow: Flow, command: readonly string[]): void {
    const [program = '', ...words] = command, line = `${words.join(' ')}\n`;
    switch (program) {
      case 'cat': case 'sleep': case 'size': return;
      case 'echo': say(flow, line); break;
      case 'echo-error': say(flow, line, 'stderr'); break;
      case 'exit': break;
      default: {
        flow.end = failedFlow(`exec: ${JSON.stringify(program)}: executable file not found in $PATH`);
        return;
      }
    }
    flow.end = { type: 'exited', code: program === 'exit' ? Number(words[0] ?? 0) : 0 };
  }

  function input(name: string, given: FlowInput): void {
    const flow = flows.get(name);
    if (flow === undefined || flow.end !== null) return;
    const { target, program } = flow;
    if (given.type === 'data') {
      deliver({ type: 'flow-taken', flow: name, bytes: given.data.length });
      if (program === 'cat' && target.kind !== 'attach') {
        flow.pending.push({ channel: 'stdout', data: given.data });
      }
    } else if (given.type === 'resize') {
      if (program === 'size') say(flow, `${given.rows} ${given.columns}\n`);
    } else if (program === 'cat' && target.kind !== 'attach') {
      flow.end = target.kind === 'exec' ? { type: 'exited', code: 0 } : { type: 'closed' };
    }
    pump(flow);
  }

  function changed(id: string): void {
    for (const flow of [...flows.values()].filter(({ container }) => container.id === id)) {
      const { container, target } = flow;
      if (target.kind === 'attach') {
        for (const { line } of container.output.slice(flow.next)) say(flow, `${line}\n`);
        flow.next = container.output.length;
      }
      if (container.state !== 'running' || options.container(id) === null) {
        flow.end ??= target.kind === 'exec' ? { type: 'exited', code: 137 } : { type: 'closed' };
      }
      pump(flow);
    }
  }

  return {
    open, input, changed,
    credit(name, bytes) {
      const flow = flows.get(name);
      if (flow === undefined) return;
      flow.credit += bytes;
      pump(flow);
    },
    close: (name) => { flows.delete(name); },
    count: () => flows.size,
  };
}
