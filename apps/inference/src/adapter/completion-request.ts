/** A request as the body of `POST /v1/completions`. */
import type { inference } from '#contracts/rpc';
import { InvalidInput } from '#errors';
import { opensReasoning } from '#moe';
import type { ReplyRequest } from '../service/engine.ts';

/** What the server is, as far as its requests differ. */
export type Dialect = 'vllm' | 'sglang';

export interface Wanted {
  /** As the server names it. */
  readonly model: string;
  readonly dialect: Dialect;
  /** Tokens of prompt and reply together. */
  readonly contextTokens: number;
}

/**
 * Fields that the request left open are left out: the server takes them from the checkpoint's generation_config.json.
 * Written from `vllm/entrypoints/openai/completion/protocol.py` at vLLM 002032e and `serving_completions.py` at SGLang
 * 004c82e; token ids are in the answers of vLLM since 0.10.2.
 * @throws InvalidInput for what the server cannot keep to
 */
export function completionRequest(request: ReplyRequest, { model, dialect, contextTokens }: Wanted): object {
  const { prompt, sampling, tenant, message, generated = [] } = request;
  const asked: Partial<inference.Sampling> = message.sampling ?? {};
  return {
    model,
    prompt: [...prompt.ids, ...generated],
    stream: true,
    stream_options: { include_usage: true },
    return_token_ids: true,
    max_tokens: Math.min(sampling.maxTokens, contextTokens - prompt.ids.length) - generated.length,
    temperature: asked.temperature,
    top_p: asked.topP,
    top_k: asked.topK === 0 ? -1 : asked.topK,
    presence_penalty: asked.presencePenalty,
    repetition_penalty: asked.repetitionPenalty,
    seed: asked.seed,
    stop: sampling.stop.length > 0 ? sampling.stop : undefined,
    // Prompts of several tenants never share what is computed of them.
    cache_salt: tenant === '' ? undefined : `tenant ${tenant}`,
    ...logprobFields(sampling.logprobs, dialect),
    ...constraintFields(message, dialect, prompt.ending),
  };
}

function logprobFields(logprobs: number | null, dialect: Dialect): object {
  if (logprobs === null) return {};
  if (dialect === 'vllm') return { logprobs, return_tokens_as_token_ids: true };
  throw refused('sampling.logprobs', 'SGLang names tokens by their text, not by their ids: leave it out');
}

function constraintFields(message: inference.GenerateRequest, dialect: Dialect, promptEnding: string): object {
  const { constraint, maxReasoningTokens } = message;
  if (maxReasoningTokens !== undefined) {
    throw refused(
      'max_reasoning_tokens',
      'this server does not bound its reasoning: leave it out, and bound max_tokens',
    );
  }
  if (constraint === undefined) return {};
  if (opensReasoning(promptEnding)) {
    const path = constraintPaths[constraint.$case];
    throw refused(
      path,
      'the prompt opens the reasoning, which this server would constrain, too: close it in the prompt',
    );
  }
  return dialect === 'vllm' ? { structured_outputs: forVllm(constraint) } : forSglang(constraint);
}

type Constraint = NonNullable<inference.GenerateRequest['constraint']>;

const constraintPaths = { jsonSchema: 'json_schema', regex: 'regex', choice: 'choice', grammar: 'grammar' } as const;

function forVllm(constraint: Constraint): object {
  switch (constraint.$case) {
    case 'jsonSchema':
      return { json: parsedSchema(constraint.value) };
    case 'regex':
      return { regex: constraint.value };
    case 'choice':
      return { choice: optionsOf(constraint.value) };
    case 'grammar':
      throw grammarRefused();
  }
}

function forSglang(constraint: Constraint): object {
  switch (constraint.$case) {
    case 'jsonSchema':
      return { json_schema: JSON.stringify(parsedSchema(constraint.value)) };
    case 'regex':
      return { regex: constraint.value };
    case 'choice':
      return { regex: optionsOf(constraint.value).map(escaped).join('|') };
    case 'grammar':
      throw grammarRefused();
  }
}

function grammarRefused(): InvalidInput {
  return refused('grammar', 'this server takes json_schema, regex and choice: give one of these, or leave it out');
}

function parsedSchema(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw refused('json_schema', 'is not JSON text', error);
  }
}

function optionsOf({ options }: inference.Choice): string[] {
  if (options.length === 0) throw refused('choice', 'is empty: give at least one option');
  return options;
}

function escaped(text: string): string {
  return `(${text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')})`;
}

function refused(path: string, message: string, cause?: unknown): InvalidInput {
  return new InvalidInput([{ path, message }], { cause });
}
