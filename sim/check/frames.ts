// Reads what oracles need of a frame without decoding all of it: which kind of message it is, and the numbers
// that a message of the log begins with. A run sends hundreds of messages a second, most of them appends.
// What always holds: a frame that is not of the expected form gives null, and is left to the decoder.

/** Messages of the log by their number on the wire. */
export const logTypes = {
  'vote': 1, 'vote-reply': 3, 'append': 4, 'append-reply': 5, 'snapshot': 6, 'snapshot-reply': 7,
  'timeout-now': 8,
} as const;

/** Kinds of messages by their number on the wire. */
export const frameKinds = { log: 0, gossip: 1, repair: 2 } as const;

/** The kind of a two-field message; -1 for others. */
export function kindOf(frame: Uint8Array): number {
  return frame[0] === 0x92 ? frame[1] ?? -1 : -1;
}

/** The type of a message of the log and up to `count` fields in all; a flag is 0 or 1, nothing is -1. */
export function logNumbers(frame: Uint8Array, count: number): readonly number[] | null {
  if (kindOf(frame) !== frameKinds.log || ((frame[2] ?? 0) & 0xf0) !== 0x90) return null;
  return numbersFrom(frame, 3, count);
}

/** Whether a leader, or who was taken for one, answers that it can't give a read index. */
export function isReadRefused(frame: Uint8Array): boolean {
  return frame[0] === 0x94 && frame[1] === readReplyKind && numbersFrom(frame, 2, 2)?.[1] === -1;
}

const readReplyKind = 6;

function numbersFrom(frame: Uint8Array, from: number, count: number): readonly number[] | null {
  const numbers: number[] = [];
  let at = from;
  while (numbers.length < count) {
    const head = frame[at];
    if (head === undefined) return numbers;
    if (head < 0x80) numbers.push(head);
    else if (head === 0xc0) numbers.push(-1);
    else if (head === 0xc2 || head === 0xc3) numbers.push(head - 0xc2);
    else {
      const bytes = widths[head];
      if (bytes === undefined) return null;
      numbers.push(bigEndian(frame, at + 1, bytes));
      at += bytes;
    }
    at += 1;
  }
  return numbers;
}

/** Unsigned integers of MessagePack by their first byte. */
const widths: Readonly<Record<number, number>> = { 0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8 };

function bigEndian(frame: Uint8Array, from: number, bytes: number): number {
  let value = 0;
  for (let i = from; i < from + bytes; i += 1) value = value * 256 + (frame[i] ?? 0);
  return value;
}
