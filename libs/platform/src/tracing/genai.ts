/**
 * Names that OpenTelemetry's semantic conventions for generative AI give, as of version 1.41.0: still in development
 * there, so they stand in this one place, and what exports them says which version they are of.
 */
export const genAiSchemaUrl = 'https://opentelemetry.io/schemas/1.41.0';

/** Attributes of model calls and tool calls. */
export const genAi = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  /** The run: all its calls are one conversation. */
  conversation: 'gen_ai.conversation.id',
  model: 'gen_ai.request.model',
  mostTokens: 'gen_ai.request.max_tokens',
  /** Cached ones included. */
  promptTokens: 'gen_ai.usage.input_tokens',
  cachedTokens: 'gen_ai.usage.cache_read.input_tokens',
  completionTokens: 'gen_ai.usage.output_tokens',
  finish: 'gen_ai.response.finish_reasons',
  tool: 'gen_ai.tool.name',
  callId: 'gen_ai.tool.call.id',
} as const;

/** What was asked and answered, word for word: for tenants that want it in their traces, and for nobody else. */
export const genAiContent = {
  asked: 'gen_ai.input.messages',
  answered: 'gen_ai.output.messages',
} as const;
