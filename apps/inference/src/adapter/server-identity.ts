/** What a server says that it is, and whether that fits the checkpoint that we were told of. */
import { z } from 'zod';
import { InvalidInput } from '#errors';
import type { Tokenizer } from '#tokens';
import type { Dialect } from './completion-request.ts';
import type { Answer, EngineServer } from './engine-server.ts';
import { refusalOf, UnusableServer } from './faults.ts';

export interface ServerIdentity {
  /** As the server names it. */
  readonly model: string;
  readonly dialect: Dialect;
  readonly version: string;
  /** Of prompt and reply. */
  readonly contextTokens: number;
}

const limitMs = 10_000;
/** Letters, figures, spaces, tags and another script: tokenizers that agree on it are hardly two. */
const sample = 'Ferries of 1890, naïve 渡船 <think>\n</think> <|im_start|>{"a": [1.5]}';

const modelsSchema = z.object({
  data: z
    .array(
      z.object({ id: z.string().min(1), owned_by: z.string().nullish(), max_model_len: z.int().positive().nullish() }),
    )
    .min(1),
});
const versionSchema = z.object({ version: z.string() });
const tokensSchema = z.object({ tokens: z.array(z.int()) });

/**
 * Reads `/v1/models` and `/version`, and compares a text's tokens by `/tokenize` where that is there.
 * @throws ServerAway while it does not answer; InvalidInput or UnusableServer for what cannot be served with
 */
export async function identityOf(server: EngineServer, tokenizer: Tokenizer): Promise<ServerIdentity> {
  const signal = AbortSignal.timeout(limitMs);
  const listed = await server.get('/v1/models', signal);
  if (listed.status !== 200) throw refusalOf({ ...listed, retryAfter: undefined, body: listed.text }, server.address);
  const [served] = read(listed, modelsSchema)?.data ?? [];
  if (served === undefined) throw strange(server, '/v1/models');
  const dialect = served.owned_by === 'sglang' ? 'sglang' : 'vllm';
  const contextTokens = served.max_model_len;
  if (!contextTokens) {
    throw new UnusableServer(
      `the server at ${server.address} does not tell max_model_len of its model: it is no vLLM or SGLang`,
    );
  }
  await compareTokens(server, served.id, tokenizer, signal);
  return { model: served.id, dialect, version: await versionOf(server, dialect, signal), contextTokens };
}

async function versionOf(server: EngineServer, dialect: Dialect, signal: AbortSignal): Promise<string> {
  const answer = await server.get(dialect === 'vllm' ? '/version' : '/get_server_info', signal);
  return (answer.status === 200 && read(answer, versionSchema)?.version) || 'unknown';
}

/** @throws InvalidInput when the server would read other words than the caller wrote */
async function compareTokens(
  server: EngineServer,
  model: string,
  tokenizer: Tokenizer,
  signal: AbortSignal,
): Promise<void> {
  const answer = await server.post('/tokenize', { model, prompt: sample, add_special_tokens: false }, signal);
  const theirs = answer.status === 200 ? read(answer, tokensSchema)?.tokens : undefined;
  if (theirs === undefined || theirs.join() === tokenizer.encode(sample).join()) return;
  const message = `is not the checkpoint of the server at ${server.address}: their tokenizers differ`;
  throw new InvalidInput([{ path: 'ARGOSY_INFERENCE_CHECKPOINT', message }]);
}

function read<T>({ text }: Answer, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function strange(server: EngineServer, path: string): UnusableServer {
  return new UnusableServer(
    `the server at ${server.address} answers ${path} in a form that is not known. Check that ARGOSY_INFERENCE_SERVER is the address of vLLM or SGLang, without /v1`,
  );
}
