// The images that Shoal brings along, as archives that `docker load` (and Podman) takes: the sandbox that
// holds a pod's namespaces, and the example's page. Made of `tiny.ts` alone, so no registry is needed for
// them.
// What always holds: the same bytes on every machine of one architecture, so one image id.

import { createHash } from 'node:crypto';
import { pack } from 'tar-stream';
import { tinyProgram } from './tiny.ts';

export interface BuiltinImage {
  readonly name: string;
  /** Runs `/tiny` with these arguments. */
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
}

export const sandboxImage: BuiltinImage = { name: 'shoal.dev/sandbox:1', entrypoint: ['/tiny'],
  command: ['pause'] };
export const helloImage: BuiltinImage = { name: 'shoal.dev/hello:1', entrypoint: ['/tiny', 'hello'],
  command: ['8080'] };
export const builtinImages: readonly BuiltinImage[] = [sandboxImage, helloImage];

/** Docker's name of this machine's architecture, as far as `tiny` was compiled for it. */
export function architecture(): string | null {
  const name = process.arch === 'x64' ? 'amd64' : process.arch;
  return name in tinyProgram ? name : null;
}

/** The program's bytes for an architecture named as Docker names it. */
export function tinyBytes(arch: string): Buffer {
  const text = tinyProgram[arch];
  if (text === undefined) throw new Error(`Shoal's own images are not made for ${arch}, only for `
    + `${Object.keys(tinyProgram).join(' and ')}`);
  return Buffer.from(text, 'base64');
}

/** An archive in the format of `docker save`, and the id that the image will have. */
export async function imageArchive(image: BuiltinImage,
  arch: string): Promise<{ archive: Buffer; id: string }> {
  const layer = await tar([{ name: 'tiny', data: tinyBytes(arch), mode: 0o755 }]);
  const config = Buffer.from(JSON.stringify({
    architecture: arch, os: 'linux', created: '1970-01-01T00:00:00Z',
    config: { Entrypoint: image.entrypoint, Cmd: image.command, WorkingDir: '/' },
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
    history: [{ created: '1970-01-01T00:00:00Z', created_by: 'shoal' }],
  }));
  const digest = sha256(config);
  const manifest = [{ Config: `${digest}.json`, RepoTags: [image.name], Layers: ['layer/layer.tar'] }];
  const archive = await tar([
    { name: `${digest}.json`, data: config, mode: 0o644 },
    { name: 'layer/layer.tar', data: layer, mode: 0o644 },
    { name: 'manifest.json', data: Buffer.from(JSON.stringify(manifest)), mode: 0o644 },
  ]);
  return { archive, id: `sha256:${digest}` };
}

function sha256(data: Buffer): string { return createHash('sha256').update(data).digest('hex'); }

async function tar(files: readonly { name: string; data: Buffer; mode: number }[]): Promise<Buffer> {
  const out = pack();
  for (const { name, data, mode } of files) out.entry({ name, mode, mtime: new Date(0), uid: 0, gid: 0 },
    data);
  out.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of out) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
