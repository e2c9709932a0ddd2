import { type ResponseEcho, responseEcho, type ShownRun } from '#contracts';
import type { ResearchRequest } from '#domain';
import type { RunRecord } from '#runs';

/** A run as its response is made of it. One that came by another protocol is told as if it had come by this one. */
export function shownRun({ runId, acceptedAt, model, metadata, request }: RunRecord): ShownRun {
  const echo = responseEcho.safeParse(request.echo);
  return {
    runId,
    acceptedAt,
    model,
    metadata,
    degraded: request.degraded,
    web: request.sources.web,
    hasSchema: request.outputSchema !== undefined,
    echo: echo.success ? echo.data : echoOf(request),
  };
}

function echoOf({ question, limits: { budget }, outputSchema: schema }: ResearchRequest): ResponseEcho {
  return {
    form: 'responses',
    input: question,
    instructions: null,
    background: true,
    max_tool_calls: budget.toolCalls ?? null,
    max_output_tokens: budget.outputTokens ?? null,
    format: schema === undefined ? { type: 'text' } : { type: 'json_schema', name: 'output', schema },
    tools: [],
  };
}
