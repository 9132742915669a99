// Calls to the container runtime, each with its one completion or a time-out.

import { limits } from '../../cluster/limits.ts';
import type { ContainersEvent, RuntimeCall } from '../../cluster/ports.ts';
import type { RuntimeResult } from '../services.ts';
import type { Core } from './core.ts';

export interface RuntimeCalls {
  call(call: RuntimeCall, done: (result: RuntimeResult) => void): void;
  completed(event: Extract<ContainersEvent, { type: 'runtime-done' | 'runtime-failed' }>): void;
}

export function createRuntimeCalls(core: Core): RuntimeCalls {
  const open = new Map<string, (result: RuntimeResult) => void>();
  let last = 0;
  function finish(op: string, result: RuntimeResult): void {
    const done = open.get(op);
    if (done === undefined) return;
    open.delete(op);
    core.disarm(`runtime/${op}`);
    done(result);
  }
  return {
    call(call, done) {
      const op = `${core.incarnation}-${(last += 1)}`;
      open.set(op, done);
      core.arm(`runtime/${op}`, timeoutMs(call), () => finish(op, {
        ok: false,
        failure: { reason: 'RuntimeUnavailable', retry: true,
          message: `the container runtime did not answer: ${call.call}` },
      }));
      core.ports.containers.call(op, call);
    },
    completed(event) {
      if (event.type === 'runtime-failed') return finish(event.op, { ok: false, failure: event.failure });
      const { type: _type, op, ...result } = event;
      finish(op, { ok: true, ...result });
    },
  };
}

function timeoutMs(call: RuntimeCall): number {
  switch (call.call) {
    case 'pull': return limits.imagePullTimeoutMs;
    case 'stop-container': return limits.runtimeCallTimeoutMs + call.graceMs;
    default: return limits.runtimeCallTimeoutMs;
  }
}
