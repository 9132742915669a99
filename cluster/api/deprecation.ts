// A client that uses a version of a kind that is on its way out hears of it with each answer.
// Source: Kubernetes Deprecation Policy, "REST resources": a Warning header.

import { warningText } from './output.ts';
import type { ApiResponse, ApiResult } from './request.ts';
import type { Resource } from './resource.ts';
import { isProblem } from './status.ts';
import type { Problem } from './status.ts';

type Answer = ApiResult | ApiResponse | Problem;

export function withDeprecation(answer: Answer, { deprecation = null }: Resource): Answer {
  if (deprecation === null || isProblem(answer)) return answer;
  if (!('type' in answer)) return warned(answer, deprecation);
  switch (answer.type) {
    case 'response': return { ...answer, response: warned(answer.response, deprecation) };
    case 'watch': {
      const headers = { ...answer.watch.headers, warning: warningText(deprecation) };
      return { ...answer, watch: { ...answer.watch, headers } };
    }
    case 'command': {
      const { render } = answer.pending;
      return {
        ...answer,
        pending: {
          render(outcome) {
            const response = render(outcome);
            return response === 'retry' ? response : warned(response, deprecation);
          },
        },
      };
    }
    default: return answer;
  }
}

function warned(response: ApiResponse, text: string): ApiResponse {
  const { headers } = response, others = headers['warning'], own = warningText(text);
  const warning = others === undefined ? own : `${own}, ${others}`;
  return { ...response, headers: { ...headers, warning } };
}
