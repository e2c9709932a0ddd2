/** Turns the body of a chat-completions reply into one generation. */
import { z } from 'zod';
import { type ModelUsage, tokenWeight } from '#domain';
import type { OnDelta } from './chat-model.ts';
import { NativeCalls, nativePieceSchema } from './native-calls.ts';
import { type Endpoint, type Failed, stalled, streamedFault } from './openai-faults.ts';
import { OutputParser } from './output-parser.ts';
import type { Generated } from './profile.ts';
import type { Attempt } from './retry.ts';
import { sseData } from './sse.ts';

/** A whole generation and what the server said of it. `usage` and `servedModel` are absent where it said nothing. */
export interface Received extends Generated {
  /** Estimated tokens of all that came, also of what was cut off. */
  readonly weight: number;
  readonly usage: ModelUsage | undefined;
  readonly servedModel: string | undefined;
}

const count = z.number().int().nonnegative();
const piece = z.object({
  content: z.string().nullish(),
  // Servers with a reasoning parser send the thinking apart, under one of these two names.
  reasoning_content: z.string().nullish(),
  reasoning: z.string().nullish(),
  // What a hosted model says in place of an answer that it will not give.
  refusal: z.string().nullish(),
  tool_calls: z.array(nativePieceSchema).nullish(),
});
const chunkSchema = z.object({
  model: z.string().nullish(),
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
  /** A longer reply is cut there, as if the server had kept to its limit of tokens. */
  readonly maxCharacters: number;
  readonly endpoint: Endpoint;
  readonly onDelta: OnDelta;
  /** Why a reply of this model may not be taken, or null. */
  readonly refused: (servedModel: string) => Failed | null;
}

/**
 * Reads events until the server or the text itself ends the reply. Separate reasoning is put back between `<think>` tags,
 * so that the text is what the model generated.
 * @returns a transient fault when the stream ends before the server said that it is complete
 * @throws whatever reading the bytes throws
 */
export async function readStream(bytes: AsyncIterable<Uint8Array>, reading: Reading): Promise<Attempt<Received>> {
  const reply = new Reply(reading);
  for await (const data of sseData(bytes)) {
    if (data === '[DONE]') return { ok: true, value: reply.end() };
    const fault = reply.take(data);
    if (fault) return fault;
    // A server that does not know the stop strings would go on and invent the tool's answer.
    if (reply.over) return { ok: true, value: reply.end() };
  }
  const whole = reply.end();
  return whole.finish === undefined
    ? stalled('cut its reply off before the end', reading.endpoint)
    : { ok: true, value: whole };
}

/** Reads the reply of a server that does not stream. */
export function readWhole(body: string, reading: Reading): Attempt<Received> {
  const reply = new Reply(reading);
  return reply.take(body) ?? { ok: true, value: reply.end() };
}

class Reply {
  readonly #reading: Reading;
  readonly #output: OutputParser;
  readonly #calls = new NativeCalls();
  #characters = 0;
  #weight = 0;
  #thinking = false;
  #finish: string | undefined;
  #usage: ModelUsage | undefined;
  #servedModel: string | undefined;

  constructor(reading: Reading) {
    this.#reading = reading;
    this.#output = new OutputParser(reading.stops);
  }

  /** True when nothing that may come can matter. */
  get over(): boolean {
    return this.#output.stopped || this.#characters > this.#reading.maxCharacters;
  }

  /** @param data one chunk, or the whole of a reply that is not streamed */
  take(data: string): Failed | null {
    const { endpoint, refused } = this.#reading;
    const chunk = readChunk(data);
    if (!chunk) return stalled(`sent a broken chunk (${data.slice(0, 100)})`, endpoint);
    if (chunk.error !== undefined && chunk.error !== null) return streamedFault(chunk.error, endpoint);
    this.#servedModel = chunk.model || this.#servedModel;
    const fault = this.#servedModel === undefined ? null : refused(this.#servedModel);
    if (fault) return fault;
    const choice = chunk.choices?.[0];
    const part = choice?.delta ?? choice?.message;
    if (part) this.#add(part);
    this.#finish = choice?.finish_reason ?? this.#finish;
    this.#usage = usageOf(chunk) ?? this.#usage;
    return null;
  }

  #add(part: z.infer<typeof piece>): void {
    const reasoning = part.reasoning_content ?? part.reasoning ?? '';
    const content = (part.content ?? '') + (part.refusal ?? '');
    for (const call of part.tool_calls ?? []) {
      this.#calls.take(call);
      this.#weigh(call.function?.arguments ?? '');
    }
    if (reasoning !== '') this.#write(this.#thinking ? reasoning : `<think>\n${reasoning}`);
    this.#thinking ||= reasoning !== '';
    if (content === '') return;
    this.#write(this.#thinking ? `\n</think>\n\n${content}` : content);
    this.#thinking = false;
  }

  #weigh(text: string): void {
    this.#characters += text.length;
    this.#weight += tokenWeight(text);
  }

  #write(text: string): void {
    this.#weigh(text);
    this.#tell(this.#output.push(text));
  }

  #tell(certain: string): void {
    if (certain !== '') this.#reading.onDelta(certain);
  }

  end(): Received {
    if (this.#thinking && !this.over) this.#write('\n</think>');
    this.#tell(this.#output.flush());
    const tooLong = this.#characters > this.#reading.maxCharacters;
    return {
      output: this.#output.end(),
      calls: this.#calls.end(),
      finish: tooLong ? 'length' : this.#finish,
      weight: this.#weight,
      usage: this.#usage,
      servedModel: this.#servedModel,
    };
  }
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
    // Some servers count apart what they had cached; a prompt cannot have more of it than it has.
    cachedTokens: Math.min(usage.prompt_tokens, usage.prompt_tokens_details?.cached_tokens ?? 0),
    completionTokens: usage.completion_tokens,
  };
}
