// `POST /shoal/v1/rotate-token-keys`: from now on another key signs ServiceAccount tokens. Those that the old
// ones signed stand as before, until so many keys have come since that theirs is forgotten.

import { rotateKeysOp, tokenKeysKey } from '../../cluster/api/access/keys.ts';
import type { TokenKeys } from '../../cluster/api/access/keys.ts';
import { failure } from '../../cluster/api/status.ts';
import type { ApiResponse } from '../../cluster/api/request.ts';
import { get } from '../../cluster/state/query.ts';
import type { Op } from '../../cluster/state/types.ts';
import type { SubmitOutcome } from '../services.ts';
import { uuid } from './core.ts';
import type { Core } from './core.ts';

type Submit = (ops: readonly Op[], done: (outcome: SubmitOutcome) => void) => void;

export function rotateTokenKeys(core: Core, submit: Submit, respond: (answer: ApiResponse) => void): void {
  const stored = get<TokenKeys>(core.state, tokenKeysKey);
  if (stored === null) {
    return respond(failure(503, 'ServiceUnavailable', 'the cluster has no token keys yet'));
  }
  const { op, kid, dropped } = rotateKeysOp(stored, () => uuid(core.random), core.ports.clock.wallMs());
  submit([op], (outcome) => {
    if (!outcome.ok) {
      const { reason, message } = outcome.refusal;
      const [code, shown] = reason === 'Conflict' ? [409, 'Conflict'] as const
        : [503, 'ServiceUnavailable'] as const;
      return respond(failure(code, shown, `the keys were not rotated: ${message}`));
    }
    const body = `${JSON.stringify({ kid, dropped })}\n`;
    respond({ status: 200, headers: { 'content-type': 'application/json' }, body });
  });
}
