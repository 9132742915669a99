// A client that uses a version of a kind that is on its way out hears of it with each answer.
// Source: Kubernetes Deprecation Policy, "REST resources": a Warning header.

import { warnedResponse, warningText } from './output.ts';
import type { ApiResponse, ApiResult } from './request.ts';
import type { Resource } from './resource.ts';
import { isProblem, withWarnings } from './status.ts';
import type { Problem } from './status.ts';

type Answer = ApiResult | ApiResponse | Problem;

export function withDeprecation(answer: Answer, { deprecation = null }: Resource): Answer {
  if (deprecation === null) return answer;
  if (isProblem(answer)) return withWarnings(answer, [deprecation, ...answer.warnings]);
  if (!('type' in answer)) return warnedResponse(answer, [deprecation]);
  switch (answer.type) {
    case 'response': return { ...answer, response: warnedResponse(answer.response, [deprecation]) };
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
            return response === 'retry' ? response : warnedResponse(response, [deprecation]);
          },
        },
      };
    }
    default: return answer;
  }
}
