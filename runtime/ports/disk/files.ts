// The few file operations that durability is made of. Each throws what the operating system says.

import { close, fsync, open, read, write } from 'node:fs';
import { promisify } from 'node:util';

export const openFile = promisify(open);
export const closeFile = promisify(close);
export const syncFile = promisify(fsync);

/** Writes all of `data` at `offset`; the kernel may take it in parts. */
export async function writeAll(fd: number, data: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < data.length;) {
    done += await new Promise<number>((resolve, reject) => {
      write(fd, data, done, data.length - done, offset + done, (error, written) => {
        if (error === null) resolve(written);
        else reject(error);
      });
    });
  }
}

/** Exactly `length` bytes from `offset`, or fewer at the end of the file. */
export async function readAll(fd: number, length: number, offset: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const got = await new Promise<number>((resolve, reject) => {
      read(fd, buffer, done, length - done, offset + done, (error, bytes) => {
        if (error === null) resolve(bytes);
        else reject(error);
      });
    });
    if (got === 0) break;
    done += got;
  }
  return buffer.subarray(0, done);
}

/** Makes the names in a directory durable: a rename or a new file is not, before this. */
export async function syncDirectory(path: string): Promise<void> {
  const fd = await openFile(path, 'r');
  try {
    await syncFile(fd);
  } finally {
    await closeFile(fd);
  }
}
