// How a flow ended, in the words in which clients of exec, attach and port-forward are told.
// Source: Kubernetes, the kubelet's streaming server (remotecommand ServeExec and ServeAttach, portForward);
// apimachinery, NewInternalError; kubectl reads the exit code from the cause `ExitCode`.

import { unreachable } from '../../../cluster/assert.ts';
import type { StreamsRequest } from '../../../cluster/api/request.ts';
import type { FlowEnd } from '../../../cluster/flow.ts';

export interface EndStatus {
  readonly metadata: object;
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: string;
  readonly details?: { readonly causes: readonly { readonly reason?: string; readonly message: string }[] };
  readonly code?: number;
}

export function statusOfEnd(end: FlowEnd, { kind, command }: StreamsRequest): EndStatus {
  switch (end.type) {
    case 'closed': return success;
    case 'exited': {
      if (end.code === 0) return success;
      const message = 'command terminated with non-zero exit code: error executing command '
        + `[${command.join(' ')}], exit code ${end.code}`;
      const causes = [{ reason: 'ExitCode', message: String(end.code) }];
      return { metadata: {}, status: 'Failure', message, reason: 'NonZeroExitCode', details: { causes } };
    }
    case 'failed': {
      const what = kind === 'attach' ? 'attaching to container' : 'executing command in container';
      const cause = `error ${what}: ${end.message}`;
      return {
        metadata: {}, status: 'Failure', message: `Internal error occurred: ${cause}`,
        reason: 'InternalError', details: { causes: [{ message: cause }] }, code: 500,
      };
    }
    default: return unreachable(end);
  }
}

const success: EndStatus = { metadata: {}, status: 'Success' };

/** What goes out on the error channel: protocols before v4 know a text for a failure, and nothing else. */
export function endText(end: FlowEnd, streams: StreamsRequest, asStatus: boolean): string {
  const status = statusOfEnd(end, streams);
  return asStatus ? JSON.stringify(status) : status.message ?? '';
}

/** What a port-forward says on the error stream of a connection; empty: it ended in peace. */
export function forwardError(end: FlowEnd, port: number, streams: StreamsRequest): string {
  if (end.type !== 'failed') return '';
  const [, , namespace = '', name = ''] = streams.pod.split('/');
  return `error forwarding port ${port} to pod ${name}_${namespace}, uid ${streams.podUid}: ${end.message}`;
}
