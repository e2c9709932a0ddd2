import { inSpan, spanKeys } from '#platform';
import type { ChatModel, ChatRequest } from './chat-model.ts';

/** A model whose calls are spans, under whatever asked for them; the same to everyone else. */
export function traced(model: ChatModel, provider: string): ChatModel {
  const { name } = model;
  // No language model: what it costs is in its step.
  if (name === null) return model;
  return {
    ...model,
    reply: async (request, signal, onDelta) => {
      const start = { under: request.traceparent, kind: 'client', fields: fieldsOf(request, name, provider) } as const;
      return await inSpan(`chat ${name}`, start, async (span) => {
        const reply = await model.reply(under(request, span.traceparent), signal, onDelta);
        const { promptTokens, cachedTokens, completionTokens } = reply.usage;
        span.set({
          [spanKeys.promptTokens]: promptTokens,
          [spanKeys.cachedTokens]: cachedTokens,
          [spanKeys.completionTokens]: completionTokens,
        });
        return reply;
      });
    },
  };
}

/** The request as one that this span asks. */
export function under<R extends ChatRequest>(request: R, traceparent: string | undefined): R {
  return traceparent === undefined ? request : { ...request, traceparent };
}

function fieldsOf({ session, tenant, maxCompletionTokens }: ChatRequest, name: string, provider: string) {
  return {
    [spanKeys.operation]: 'chat',
    [spanKeys.provider]: provider,
    [spanKeys.model]: name,
    [spanKeys.conversation]: session,
    [spanKeys.tenant]: tenant,
    [spanKeys.mostTokens]: maxCompletionTokens,
  };
}
