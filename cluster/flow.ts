// A flow: the bytes of one program that was started in a container, of a container that is attached to, or of
// one connection to a port of a pod, both ways. What a client of exec, attach and port-forward sees of it is
// the runtime's business; where it comes from is the containers port's.
//
// What always holds: whoever sends has been granted the bytes; a flow ends once, and nothing follows its end.

/** What goes in. After `eof` there is no more data. */
export type FlowInput =
  | { readonly type: 'data'; readonly data: Uint8Array }
  | { readonly type: 'resize'; readonly columns: number; readonly rows: number }
  | { readonly type: 'eof' };

/** What comes out. Of a connection and of a terminal all is `stdout`. */
export type FlowOutput =
  /** What is wanted is there: the client's connection may be switched over to its streams. */
  | { readonly type: 'opened' }
  | { readonly type: 'data'; readonly channel: FlowChannel; readonly data: Uint8Array }
  | { readonly type: 'end'; readonly end: FlowEnd };

export type FlowChannel = 'stdout' | 'stderr';

export type FlowEnd =
  | { readonly type: 'exited'; readonly code: number }
  /** The connection was closed, or what was attached to has ended. */
  | { readonly type: 'closed' }
  /** `missing`: there is no such pod, or its container does not run. */
  | { readonly type: 'failed'; readonly missing: boolean; readonly message: string };

/** What a flow leads to, in the words of the container runtime. */
export type FlowTarget =
  | { readonly kind: 'exec'; readonly container: string; readonly command: readonly string[];
      readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean; readonly tty: boolean }
  | { readonly kind: 'attach'; readonly container: string; readonly stdin: boolean; readonly stdout: boolean;
      readonly stderr: boolean; readonly tty: boolean }
  | { readonly kind: 'dial'; readonly sandbox: string; readonly port: number };

export const failedFlow = (message: string, missing = false): FlowEnd =>
  ({ type: 'failed', missing, message });
