/** One event of a streamed completion, as vLLM and SGLang write them. */
import { z } from 'zod';

const id = z.int().min(0).max(0xffff_ffff);
const count = z.int().nonnegative();
const matched = z.union([z.string(), z.int(), z.array(z.int())]).nullish();

const schema = z.object({
  choices: z
    .array(
      z.object({
        text: z.string().nullish(),
        token_ids: z.array(id).nullish(),
        finish_reason: z.string().nullish(),
        // What ended the reply: a stop string, or the id of a token. vLLM and SGLang name the field each in its own way.
        stop_reason: matched,
        matched_stop: matched,
        logprobs: z
          .object({
            tokens: z.array(z.string()),
            token_logprobs: z.array(z.number().nullable()),
            top_logprobs: z.array(z.record(z.string(), z.number()).nullable()).nullish(),
          })
          .nullish(),
      }),
    )
    .max(1)
    .nullish(),
  usage: z
    .object({
      prompt_tokens: count,
      completion_tokens: count,
      prompt_tokens_details: z.object({ cached_tokens: count.nullish() }).nullish(),
    })
    .nullish(),
  error: z.unknown().optional(),
});

export interface ServerUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Null where the server does not tell: vLLM without --enable-prompt-tokens-details, SGLang without --enable-cache-report. */
  readonly cachedTokens: number | null;
}

export interface TokenLogprobs {
  readonly chosen: { readonly id: number; readonly logprob: number };
  readonly top: readonly { readonly id: number; readonly logprob: number }[];
}

/** What one event says. */
export interface Chunk {
  readonly text: string;
  /** Null where the server gives none. */
  readonly tokenIds: readonly number[] | null;
  readonly logprobs: readonly TokenLogprobs[];
  /** Why the reply ended; null as long as it goes on. */
  readonly finish: string | null;
  /** The stop string that was met, or null. */
  readonly stop: string | null;
  readonly usage: ServerUsage | null;
  /** Of a reply that failed, as JSON. */
  readonly error: string | null;
}

/** @returns null for what is no event of a completion */
export function readChunk(data: string): Chunk | null {
  const parsed = parse(data);
  if (parsed === null) return null;
  const { choices, usage, error } = parsed;
  const choice = choices?.[0];
  const stop = choice?.stop_reason ?? choice?.matched_stop;
  return {
    text: choice?.text ?? '',
    tokenIds: choice?.token_ids ?? null,
    logprobs: choice?.logprobs ? logprobsOf(choice.logprobs) : [],
    finish: choice?.finish_reason ?? null,
    stop: typeof stop === 'string' ? stop : null,
    usage: usage ? usageOf(usage) : null,
    error: error === undefined || error === null ? null : JSON.stringify({ error }),
  };
}

type Parsed = z.infer<typeof schema>;

function parse(data: string): Parsed | null {
  try {
    return schema.safeParse(JSON.parse(data)).data ?? null;
  } catch {
    return null;
  }
}

function usageOf(usage: NonNullable<Parsed['usage']>): ServerUsage {
  const { prompt_tokens: promptTokens, completion_tokens: completionTokens, prompt_tokens_details: details } = usage;
  const cached = details?.cached_tokens ?? null;
  return { promptTokens, completionTokens, cachedTokens: cached === null ? null : Math.min(promptTokens, cached) };
}

type Logprobs = NonNullable<NonNullable<NonNullable<Parsed['choices']>[number]>['logprobs']>;

function logprobsOf({ tokens, token_logprobs: own, top_logprobs: tops }: Logprobs): TokenLogprobs[] {
  return tokens.flatMap((token, i) => {
    const chosen = tokenIdOf(token);
    if (chosen === null) return [];
    const top = Object.entries(tops?.[i] ?? {}).flatMap(([name, logprob]) => {
      const named = tokenIdOf(name);
      return named === null ? [] : [{ id: named, logprob }];
    });
    top.sort((a, b) => b.logprob - a.logprob);
    return [{ chosen: { id: chosen, logprob: own[i] ?? Number.NEGATIVE_INFINITY }, top }];
  });
}

/** vLLM writes `token_id:ID` where it is asked for ids. */
function tokenIdOf(name: string): number | null {
  const [, digits] = /^token_id:(\d{1,10})$/.exec(name) ?? [];
  return digits === undefined ? null : Number(digits);
}
