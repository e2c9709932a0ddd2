import { z } from 'zod';
import { messageOf } from '#errors';
import { urlUnder } from './endpoint.ts';
import { GrpcGroup, type GrpcTls } from './grpc-channel.ts';
import type { ModelSpec } from './model-spec.ts';

/** One server of a model, as somebody finds it who asks it for nothing but what it is. */
export interface ServerFacts {
  readonly where: string;
  /** What it says that it serves; null where it does not answer as it should. */
  readonly serves: string | null;
  /** What is wrong, and what to do; null where nothing is. */
  readonly fault: string | null;
}

interface Access {
  readonly apiKey?: string | undefined;
  /** Null for plain text. */
  readonly tls: GrpcTls | null;
  /** That runs are planned for. */
  readonly contextTokens: number;
}

/** Asks each server of a model what it serves; no tokens are generated. Never throws. */
export async function inspectModel(spec: ModelSpec, access: Access, signal: AbortSignal): Promise<ServerFacts[]> {
  switch (spec.kind) {
    case 'extractive':
      return [];
    case 'openai':
      return await Promise.all(spec.baseUrls.map((baseUrl) => inspectOpenAi(baseUrl, spec.model, access, signal)));
    case 'grpc':
      return await Promise.all(spec.addresses.map((address) => inspectGroup(address, access, signal)));
  }
}

const models = z.object({ data: z.array(z.object({ id: z.string() })) });

/** Names of models that are told of a server which offers many. */
const mostNames = 5;

async function inspectOpenAi(
  where: string,
  model: string,
  { apiKey }: Access,
  signal: AbortSignal,
): Promise<ServerFacts> {
  const headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  try {
    const response = await fetch(urlUnder(where, 'models'), { headers, signal, redirect: 'error' });
    if (response.status === 401 || response.status === 403) {
      return { where, serves: null, fault: `it refuses the key (${response.status}): correct ARGOSY_MODEL_API_KEY` };
    }
    // Servers without a list of models serve their model all the same.
    if (!response.ok) return { where, serves: `no list of models (${response.status})`, fault: null };
    const parsed = models.safeParse(await response.json());
    const names = parsed.success ? parsed.data.data.map(({ id }) => id) : [];
    const serves = names.slice(0, mostNames).join(', ') || 'nothing that it names';
    const known = names.length === 0 || names.includes(model);
    return { where, serves, fault: known ? null : `it does not offer ${model}: name one that it has in ARGOSY_MODEL` };
  } catch (error) {
    return { where, serves: null, fault: awayFault(error) };
  }
}

async function inspectGroup(where: string, { tls, contextTokens }: Access, signal: AbortSignal): Promise<ServerFacts> {
  const group = new GrpcGroup(where, tls);
  try {
    const info = await group.info(signal);
    const serves = `${info.model} by ${info.engine} ${info.engineVersion}, ${info.contextTokens} tokens of context`;
    const isShort = info.contextTokens < contextTokens;
    const fault = `runs are planned for ${contextTokens} tokens: set ARGOSY_MODEL_CONTEXT_TOKENS=${info.contextTokens}`;
    return { where, serves, fault: isShort ? fault : null };
  } catch (error) {
    return { where, serves: null, fault: awayFault(error) };
  } finally {
    group.close();
  }
}

function awayFault(error: unknown): string {
  const { cause } = error as { readonly cause?: unknown };
  const words = cause === undefined ? messageOf(error) : messageOf(cause) || messageOf(error);
  return `it does not answer (${words}): start it, or correct ARGOSY_MODEL`;
}
