// How flows (exec, attach, port-forward) look on the wire: what is wanted, what goes in, what comes out.

import type { StreamsRequest } from '../api/request.ts';
import { unreachable } from '../assert.ts';
import type { FlowEnd, FlowInput, FlowOutput } from '../flow.ts';
import { nodeName } from '../ids.ts';
import type { ObjectKey } from '../ids.ts';
import { limits } from '../limits.ts';
import { cut } from './codec.ts';
import type { Plain } from './codec.ts';
import { malformed } from './fields.ts';
import type { Fields } from './fields.ts';

/** Positions are the numbers on the wire: add at the end only. */
const requestKinds = ['exec', 'attach', 'portforward'] as const satisfies readonly StreamsRequest['kind'][];
const inputTypes = ['data', 'resize', 'eof'] as const satisfies readonly FlowInput['type'][];
const outputTypes = ['opened', 'stdout', 'stderr', 'end'] as const;
const endTypes = ['exited', 'closed', 'failed'] as const satisfies readonly FlowEnd['type'][];

/** A terminal's sides, as the kernel counts them. */
const sideMax = 65_535;
/** An exit code, or 128 and a signal; Docker knows larger ones of other systems. */
const exitCodeMax = 2 ** 31;

export function packStreams(r: StreamsRequest): Plain {
  return [
    requestKinds.indexOf(r.kind), r.pod, r.podUid, r.node, r.container, r.command, r.stdin, r.stdout,
    r.stderr, r.tty, r.ports,
  ];
}

export function readStreams(f: Fields): StreamsRequest {
  let charsLeft: number = limits.execCharsMax;
  return {
    kind: f.word('kind', requestKinds), pod: f.text('pod', limits.objectKeyLengthMax) as ObjectKey,
    podUid: f.text('podUid', limits.uidLengthMax), node: nodeName(f.text('node', limits.nodeNameLengthMax)),
    container: f.text('container', limits.nodeNameLengthMax),
    command: f.list('command', limits.execWordsMax, (items) => {
      const word = items.text('word', limits.execCharsMax);
      charsLeft -= word.length;
      if (charsLeft < 0) malformed(`command is longer than ${limits.execCharsMax}`);
      return word;
    }),
    stdin: f.flag('stdin'), stdout: f.flag('stdout'), stderr: f.flag('stderr'), tty: f.flag('tty'),
    ports: f.list('ports', limits.flowsPerRequestMax, (items) => items.integer('port', 65_535)),
  };
}

export function packInput(input: FlowInput): Plain {
  const type = inputTypes.indexOf(input.type);
  switch (input.type) {
    case 'data': return [type, input.data];
    case 'resize': return [type, input.columns, input.rows];
    case 'eof': return [type];
    default: return unreachable(input);
  }
}

export function readInput(fields: Fields): FlowInput {
  const type = fields.word('type', inputTypes);
  switch (type) {
    case 'data': return { type, data: fields.bytes('data', limits.flowWindowBytes) };
    case 'resize':
      return { type, columns: fields.integer('columns', sideMax), rows: fields.integer('rows', sideMax) };
    case 'eof': return { type };
    default: return unreachable(type);
  }
}

export function packOutput(output: FlowOutput): Plain {
  switch (output.type) {
    case 'opened': return [outputTypes.indexOf('opened')];
    case 'data': return [outputTypes.indexOf(output.channel), output.data];
    case 'end': return [outputTypes.indexOf('end'), packEnd(output.end)];
    default: return unreachable(output);
  }
}

export function readOutput(fields: Fields): FlowOutput {
  const type = fields.word('type', outputTypes);
  switch (type) {
    case 'opened': return { type };
    case 'stdout': case 'stderr':
      return { type: 'data', channel: type, data: fields.bytes('data', limits.flowWindowBytes) };
    case 'end': {
      const nested = fields.nested('end'), end = readEnd(nested);
      nested.end('end');
      return { type, end };
    }
    default: return unreachable(type);
  }
}

function packEnd(end: FlowEnd): Plain {
  const type = endTypes.indexOf(end.type);
  switch (end.type) {
    case 'exited': return [type, end.code];
    case 'closed': return [type];
    case 'failed': return [type, end.missing, cut(end.message)];
    default: return unreachable(end);
  }
}

function readEnd(fields: Fields): FlowEnd {
  const type = fields.word('type', endTypes);
  switch (type) {
    case 'exited': return { type, code: fields.integer('code', exitCodeMax) };
    case 'closed': return { type };
    case 'failed':
      return {
        type, missing: fields.flag('missing'), message: fields.text('message', limits.reasonLengthMax),
      };
    default: return unreachable(type);
  }
}
