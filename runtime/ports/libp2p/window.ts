// yamux answers every frame with a window update of its own: one more packet, system call and wake-up at
// either end for each message (measured: a quarter of the CPU of small messages, and a tenth of the time of a
// 1 KB append to three members). It is enough to tell the sender when half of the window is used up.
// What always holds: the updates that open a stream are never held back; the window never closes while its
// reader keeps up.

import { StreamState, YamuxStream } from '@chainsafe/libp2p-yamux/stream';
import type { Stream } from './types.ts';

/** Half of what yamux's specification gives every stream at first; windows only grow. */
const unreportedBytesMax = 128 * 1024;

export function spareWindowUpdates(stream: Stream): void {
  if (!(stream instanceof YamuxStream)) return;
  const update = stream.sendWindowUpdate.bind(stream);
  let unreportedBytes = 0;
  stream.addEventListener('message', ({ data }) => { unreportedBytes += data.byteLength; });
  stream.sendWindowUpdate = () => {
    if (stream.state === StreamState.Established && unreportedBytes < unreportedBytesMax) return;
    unreportedBytes = 0;
    update();
  };
}
