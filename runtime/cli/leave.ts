// `shoal leave`: takes the peer that is asked, or one that is gone for good, out of the cluster.

import { openClient } from './client.ts';
import type { ClientFlags } from './client.ts';

export async function leave(name: string | undefined, flags: ClientFlags): Promise<void> {
  const client = openClient(flags);
  const answer = await client.json<{ message: string }>('POST', '/shoal/v1/leave',
    name === undefined ? {} : { name });
  console.log(answer.message);
}
