import { inSpan, type OpenSpan, spanKeys } from '#platform';
import type { ChatModel, ChatRequest } from './chat-model.ts';
import { profiles } from './profiles.ts';

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
        if (request.traceContent === true && span.isRecorded) show(span, request, { model, text: reply.text });
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

/** Most characters of a prompt: the newest messages, for the oldest are in the spans of the steps before. */
const mostShown = 24_000;

/** For a tenant that wants it. */
function show(span: OpenSpan, request: ChatRequest, { model, text }: { model: ChatModel; text: string }): void {
  const messages =
    Object.values(profiles)
      .find(({ id }) => id === model.profile)
      ?.render(request).messages ?? [];
  const shown: ReturnType<typeof messageOf>[] = [];
  let left = mostShown;
  for (const { role, content } of messages.toReversed()) {
    if (left <= 0) break;
    shown.unshift(messageOf(role, content.slice(0, left)));
    left -= content.length;
  }
  span.show('asked', shown);
  span.show('answered', [messageOf('assistant', text.slice(0, mostShown))]);
}

function messageOf(role: string, content: string) {
  return { role, parts: [{ type: 'text', content }] };
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
