// Puts the tiny program on disk, for the embedded runtime, which has no images.

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { architecture, tinyBytes } from './archive.ts';

/** Its path; null where it was not made for this machine (it is for Linux on amd64 and arm64). */
export function installTiny(dir: string): string | null {
  const arch = architecture();
  if (process.platform !== 'linux' || arch === null) return null;
  const path = join(dir, 'tiny'), bytes = tinyBytes(arch);
  if (existsSync(path) && readFileSync(path).equals(bytes)) return path;
  mkdirSync(dir, { recursive: true });
  // A running copy can't be written to: the new one takes its name.
  writeFileSync(`${path}.new`, bytes, { mode: 0o755 });
  renameSync(`${path}.new`, path);
  return path;
}
