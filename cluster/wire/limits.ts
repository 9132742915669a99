// The bounds of frames between peers, part of `limits`: what the guard lets in.
// What always holds: no frame of a stranger makes a peer hold more than these say.

export const wireLimits = {
  /** Arrays within arrays in one frame; the deepest message (snapshot meta with members) has six. */
  wireDepthMax: 8,
  peerIdLengthMax: 128,
  /** A DNS subdomain, as Kubernetes' own limit. */
  nodeNameLengthMax: 253,
  /** Addresses of one member; further ones, and longer ones, are not sent. */
  addressesMax: 8,
  addressLengthMax: 256,
  /** A text for people; a longer one is cut. */
  reasonLengthMax: 1_024,
  uidLengthMax: 64,
  /** group/resource/namespace/name, each at most a DNS subdomain. */
  objectKeyLengthMax: 1_024,
  streamIdLengthMax: 256,
  opsPerCommandMax: 1_024,
  /** Objects within objects of one Kubernetes object: deeper ones would overflow recursive walks. */
  objectDepthMax: 64,
  /** Incarnations grow by one per start or refutation; the bound keeps a lie from exhausting the integers. */
  incarnationMax: 2 ** 48,
} as const;
