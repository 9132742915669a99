// Frames on a byte stream: a length of four bytes, big-endian, then so many bytes. An empty frame says only
// that its sender is alive. What always holds: a frame that is handed out owns its bytes, so that a small one
// doesn't keep a large read buffer in memory; no more than one frame's bytes are ever held back.

export const frameHeaderBytes = 4;

/** The frames as one piece, to be sent in one call. */
export function joinFrames(frames: readonly Uint8Array[]): Uint8Array {
  let total = 0;
  for (const frame of frames) total += frameHeaderBytes + frame.length;
  const bytes = Buffer.allocUnsafe(total);
  let at = 0;
  for (const frame of frames) {
    at = bytes.writeUInt32BE(frame.length, at);
    bytes.set(frame, at);
    at += frame.length;
  }
  return bytes;
}

export interface FrameReader {
  /** Takes what arrived. False if a frame is longer than allowed: the sender breaks the protocol. */
  take(chunk: Uint8Array): boolean;
}

/** Cuts a byte stream into frames, each handed to `onFrame` as soon as it is whole. */
export function createFrameReader(frameBytesMax: number, onFrame: (frame: Uint8Array) => void): FrameReader {
  const header = new Uint8Array(frameHeaderBytes);
  let headerBytes = 0;
  let body: Uint8Array | null = null;
  let bodyBytes = 0;

  /** Reads the header's bytes; returns how many it took. */
  function takeHeader(chunk: Uint8Array, from: number): number {
    const taken = Math.min(frameHeaderBytes - headerBytes, chunk.length - from);
    header.set(chunk.subarray(from, from + taken), headerBytes);
    headerBytes += taken;
    return taken;
  }
  function frameLength(): number {
    const [a = 0, b = 0, c = 0, d = 0] = header;
    return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  }
  return {
    take(chunk) {
      for (let at = 0; at < chunk.length || body !== null;) {
        if (body === null) {
          at += takeHeader(chunk, at);
          if (headerBytes < frameHeaderBytes) return true;
          const length = frameLength();
          if (length > frameBytesMax) return false;
          body = new Uint8Array(length);
          bodyBytes = 0;
        }
        const taken = Math.min(body.length - bodyBytes, chunk.length - at);
        body.set(chunk.subarray(at, at + taken), bodyBytes);
        bodyBytes += taken;
        at += taken;
        if (bodyBytes < body.length) return true;
        const frame = body;
        body = null;
        headerBytes = 0;
        onFrame(frame);
      }
      return true;
    },
  };
}
