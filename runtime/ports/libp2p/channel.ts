// The encrypted channel between two peers: libp2p's TLS, with one difference. What the multiplexer sends
// comes as a list of pieces (a frame's header, its content), and each piece would become a TLS record, a
// system call and a wake-up at the other end of its own, the second of them a turn of the event loop late.
// Here the pieces are joined first (measured: half the packets).
// What always holds: the bytes and their order are those that TLS was given.

import { tls } from '@libp2p/tls';

type Encrypter = ReturnType<ReturnType<typeof tls>>;
type Secured = Awaited<ReturnType<Encrypter['secureOutbound']>>;

export function channel(): (...components: Parameters<ReturnType<typeof tls>>) => Encrypter {
  return (...components) => {
    const inner = tls()(...components);
    return {
      protocol: inner.protocol,
      secureOutbound: async (...connection) => joining(await inner.secureOutbound(...connection)),
      secureInbound: async (...connection) => joining(await inner.secureInbound(...connection)),
    };
  };
}

function joining(secured: Secured): Secured {
  const { connection } = secured, send = connection.send.bind(connection);
  connection.send = (data) => send(data instanceof Uint8Array ? data : data.subarray());
  return secured;
}
