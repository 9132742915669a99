#!/bin/sh
# Compiles tiny.c for both architectures and writes tiny.ts. Needs gcc and aarch64-linux-gnu-gcc (Debian's
# gcc-aarch64-linux-gnu). Only needed after a change of tiny.c: what it makes is kept in the repository.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-Os -nostdlib -static -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fno-pie -no-pie
  -fno-builtin -fcf-protection=none -Wall -Wextra -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-z,norelro -s"
gcc $(echo $flags) -o "$work/amd64" tiny.c
aarch64-linux-gnu-gcc $(echo $flags | sed 's/-fcf-protection=none//') -mno-outline-atomics -o "$work/arm64" tiny.c
for f in amd64 arm64; do strip -R .comment -R .note "$work/$f" 2>/dev/null || aarch64-linux-gnu-strip -R .comment "$work/$f"; done
{
  echo '// Made by build.sh from tiny.c: the static program of the sandbox and of the example, by architecture.'
  echo '// What always holds: it is the same bytes on every machine, so the images made of it have one digest.'
  echo
  echo '/** Keys are the names that Docker and Go use; values are whole ELF files in base64. */'
  echo 'export const tinyProgram: Readonly<Record<string, string>> = {'
  for f in amd64 arm64; do
    echo "  $f: ["
    base64 -w 96 "$work/$f" | sed "s/.*/    '&',/"
    echo "  ].join(''),"
  done
  echo '};'
} > tiny.ts
ls -l "$work"
