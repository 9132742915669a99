// Sizes of a terminal as clients tell them: JSON objects `{"Width":80,"Height":24}`, one after the other.
// What always holds: no more is held than one such object; what is none is passed over.

import type { FlowInput } from '../../../cluster/flow.ts';

const charsMax = 1_024, sideMax = 65_535;

/** Gives the sizes that a stream of text tells, in their order. */
export function createResizeReader(give: (input: FlowInput) => void): (data: Buffer) => void {
  let text = '';
  return (data) => {
    text += data.toString('utf8');
    for (let end = text.indexOf('}'); end >= 0; end = text.indexOf('}')) {
      const size = sizeOf(text.slice(text.lastIndexOf('{', end), end + 1));
      text = text.slice(end + 1);
      if (size !== null) give(size);
    }
    if (text.length > charsMax) text = '';
  };
}

function sizeOf(text: string): FlowInput | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { Width: columns, Height: rows } = value as Record<string, unknown>;
  return isSide(columns) && isSide(rows) ? { type: 'resize', columns, rows } : null;
}

const isSide = (side: unknown): side is number =>
  typeof side === 'number' && Number.isInteger(side) && side >= 0 && side <= sideMax;
