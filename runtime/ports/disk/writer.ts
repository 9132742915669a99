// Frames into segments: where the next frame goes, when a segment is full, what a new one starts with.
// What always holds: one write at a time; a segment's first frame repeats the hard state and the facts, so
// that the segments before it can go away.

import { assert } from '../../../cluster/assert.ts';
import type { Index } from '../../../cluster/ids.ts';
import { limits } from '../../../cluster/limits.ts';
import type { HardState } from '../../../cluster/log/types.ts';
import { closeFile, writeAll } from './files.ts';
import { createFrameWriter, frameRoom } from './records.ts';
import type { DiskRecord } from './records.ts';
import { trackIndexes } from './recover.ts';
import type { Recovered } from './recover.ts';
import type { Seal } from './seal.ts';
import { createSegment, openSegment, removeSegment, segmentHeaderBytes } from './segments.ts';
import type { Segment } from './segments.ts';

export interface LogWriter {
  /** The most that records joined into one frame should come to; a larger record has a frame of its own. */
  readonly frameBytesMax: number;
  /** Writes the records as one frame; done when it is durable. */
  write(records: readonly DiskRecord[]): Promise<void>;
  /** Forgets the segments whose entries all lie at or below `keepFrom`. */
  drop(keepFrom: Index): Promise<void>;
  close(): Promise<void>;
}

export async function openWriter(
  folder: string, recovered: Recovered, segmentBytes: number, seal: Seal,
): Promise<LogWriter> {
  const { segments } = recovered;
  if (segments.length === 0) segments.push(await createSegment(folder, 1, segmentBytes));
  let { active, end } = recovered;
  let number = recovered.nextFrame;
  let fd = await openSegment(current());
  let ahead: Promise<Segment> | null = null;
  let hard: HardState = recovered.recovery.log.hard;
  const facts = new Map(Object.entries(recovered.recovery.facts));
  const frames = createFrameWriter(seal);

  function current(): Segment {
    const segment = segments[active];
    assert(segment !== undefined, `no segment at ${active}`);
    return segment;
  }
  /** The next segment is made while there is still room in this one. */
  function makeAhead(): void {
    if (ahead !== null || active + 1 < segments.length || end < current().bytes / 2) return;
    ahead = createSegment(folder, current().sequence + 1, segmentBytes);
    ahead.catch(() => undefined); // Whoever needs the segment awaits it, and gets the error.
  }
  async function rotate(): Promise<void> {
    if (active + 1 === segments.length) {
      segments.push(await (ahead ?? createSegment(folder, current().sequence + 1, segmentBytes)));
      ahead = null;
    }
    await closeFile(fd);
    active += 1;
    end = segmentHeaderBytes;
    fd = await openSegment(current());
    const kept = [...facts].map(([name, value]): DiskRecord => ({ kind: 'fact', name, value }));
    await append([{ kind: 'hard', hard }, ...kept]);
  }
  async function append(records: readonly DiskRecord[]): Promise<void> {
    const segment = current();
    const bytes = frames.encode(records, segment.mark, number);
    assert(end + bytes.length <= segment.bytes, 'a frame larger than a segment');
    await writeAll(fd, bytes, end);
    end += bytes.length;
    number += 1;
    trackIndexes(segments, segment, records);
  }
  function remember(records: readonly DiskRecord[]): void {
    for (const record of records) {
      if (record.kind === 'hard') hard = record.hard;
      else if (record.kind === 'fact') facts.set(record.name, record.value);
    }
    assert(facts.size <= limits.factsMax, `more than ${limits.factsMax} facts`);
  }
  return {
    frameBytesMax: Math.min(limits.diskFrameBytesMax, (segmentBytes - segmentHeaderBytes) >> 1),
    async write(records) {
      if (end + frameRoom(records) > current().bytes) await rotate();
      await append(records);
      remember(records);
      makeAhead();
    },
    async drop(keepFrom) {
      for (let first = segments[0]; first !== undefined && active > 0; first = segments[0]) {
        if (first.lastIndex > keepFrom) return;
        await removeSegment(folder, first);
        segments.shift();
        active -= 1;
      }
    },
    async close() {
      await ahead?.catch(() => undefined);
      await closeFile(fd);
    },
  };
}
