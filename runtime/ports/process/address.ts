// The addresses of pods in the embedded runtime. A peer on a loopback address (a cluster on one machine)
// gives each pod a loopback address of its own, so that two pods can listen on the same port: all of
// 127.0.0.0/8 is this machine's on Linux. Any other peer's pods share its address, as with hostNetwork.
// What always holds: no two living sandboxes have the same address of their own; a freed one rests as long as
// it can.

/** `hostIP` 127.0.0.7 → 127.71.0; null: pods have no addresses of their own. */
export function podAddressPrefix(hostIP: string): string | null {
  const match = /^127\.\d+\.\d+\.(\d+)$/.exec(hostIP);
  if (match === null) return null;
  const peer = Number(match[1]);
  return `127.${64 + (peer % 128)}.${Math.floor(peer / 128)}`;
}

const first = 2, count = 253;

/** The next free address after `previous`, in turn; null when all are taken. */
export function nextAddress(
  prefix: string, taken: ReadonlySet<string>, previous: string | null,
): string | null {
  const from = previous === null ? 0 : Number(previous.split('.')[3]) - first + 1;
  for (let step = 0; step < count; step++) {
    const address = `${prefix}.${first + ((from + step) % count)}`;
    if (!taken.has(address)) return address;
  }
  return null;
}
