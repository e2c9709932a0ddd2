/** Turns the body of a chat-completions reply into one text. */
import { z } from 'zod';
import type { ModelUsage } from '#domain';
import type { OnDelta } from './chat-model.ts';
import { type Endpoint, stalled, streamedFault } from './openai-faults.ts';
import type { Attempt } from './retry.ts';
import { sseData } from './sse.ts';
import { stopCut } from './stop-cut.ts';

/** A whole generation. `usage` is absent where the server gave none. */
export interface Generated {
  readonly text: string;
  readonly finish: string | undefined;
  readonly usage: ModelUsage | undefined;
}

const count = z.number().int().nonnegative();
const piece = z.object({
  content: z.string().nullish(),
  // Servers with a reasoning parser send the thinking apart, under one of these two names.
  reasoning_content: z.string().nullish(),
  reasoning: z.string().nullish(),
});
const chunkSchema = z.object({
  choices: z
    .array(z.object({ delta: piece.nullish(), message: piece.nullish(), finish_reason: z.string().nullish() }))
    .nullish(),
  usage: z
    .object({
      prompt_tokens: count,
      completion_tokens: count,
      prompt_tokens_details: z.object({ cached_tokens: count.nullish() }).nullish(),
    })
    .nullish()
    .catch(undefined),
  error: z.unknown().optional(),
});
type Chunk = z.infer<typeof chunkSchema>;

/** Everything of one server's reply that a reader must hold on to. */
interface Reading {
  readonly stops: readonly string[];
  readonly endpoint: Endpoint;
  readonly onDelta: OnDelta;
}

/**
 * Reads events until the server or a stop string ends the text. Separate reasoning is put back between `<think>` tags,
 * so that the text is what the model generated.
 * @returns a transient fault when the stream ends before the server said that it is complete
 * @throws whatever reading the bytes throws
 */
export async function readStream(bytes: AsyncIterable<Uint8Array>, reading: Reading): Promise<Attempt<Generated>> {
  const { endpoint } = reading;
  const text = generatedText(reading);
  let finish: string | undefined;
  let usage: ModelUsage | undefined;
  let complete = false;
  for await (const data of sseData(bytes)) {
    if (data === '[DONE]') {
      complete = true;
      break;
    }
    const chunk = readChunk(data);
    if (!chunk) return stalled(`sent a broken chunk (${data.slice(0, 100)})`, endpoint);
    if (chunk.error !== undefined && chunk.error !== null) return streamedFault(chunk.error, endpoint);
    text.take(chunk);
    finish = chunk.choices?.[0]?.finish_reason ?? finish;
    usage = usageOf(chunk) ?? usage;
    // A server that does not know the stop strings would go on and invent the tool's answer.
    if (text.stopped) break;
  }
  if (!complete && !text.stopped && finish === undefined) {
    return stalled('cut its reply off before the end', endpoint);
  }
  return { ok: true, value: { text: text.end(), finish, usage } };
}

/** Reads the reply of a server that does not stream. */
export function readWhole(body: string, reading: Reading): Attempt<Generated> {
  const chunk = readChunk(body);
  if (!chunk) return stalled('sent broken JSON', reading.endpoint);
  if (chunk.error !== undefined && chunk.error !== null) return streamedFault(chunk.error, reading.endpoint);
  const text = generatedText(reading);
  text.take(chunk);
  const finish = chunk.choices?.[0]?.finish_reason ?? undefined;
  return { ok: true, value: { text: text.end(), finish, usage: usageOf(chunk) } };
}

function generatedText({ stops, onDelta }: Reading) {
  const cut = stopCut(stops);
  let text = '';
  let thinking = false;
  const add = (certain: string): void => {
    text += certain;
    if (certain !== '') onDelta(certain);
  };
  return {
    take(chunk: Chunk): void {
      const choice = chunk.choices?.[0];
      const part = choice?.delta ?? choice?.message;
      const reasoning = part?.reasoning_content ?? part?.reasoning ?? '';
      const content = part?.content ?? '';
      if (reasoning !== '') add(cut.push(thinking ? reasoning : `<think>\n${reasoning}`));
      thinking ||= reasoning !== '';
      if (content === '') return;
      add(cut.push(thinking ? `\n</think>\n\n${content}` : content));
      thinking = false;
    },
    end(): string {
      add(cut.end());
      if (thinking) add('\n</think>');
      return text;
    },
    get stopped() {
      return cut.stopped;
    },
  };
}

function readChunk(data: string): Chunk | undefined {
  try {
    return chunkSchema.safeParse(JSON.parse(data)).data;
  } catch {
    return undefined;
  }
}

function usageOf({ usage }: Chunk): ModelUsage | undefined {
  if (!usage) return undefined;
  return {
    promptTokens: usage.prompt_tokens,
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
    completionTokens: usage.completion_tokens,
  };
}
