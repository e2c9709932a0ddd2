import { InvalidInput } from '#errors';
import type { ChatModel } from './chat-model.ts';
import { baseUrlProblem } from './endpoint.ts';

/** Which model an operator asked for. */
export type ModelSpec =
  | { readonly kind: 'extractive' }
  | { readonly kind: 'openai'; readonly baseUrl: string; readonly model: string }
  | { readonly kind: 'grpc'; readonly host: string; readonly port: number };

/** How the models that this process can build are built. */
export interface ModelBuilders {
  extractive(): ChatModel;
  openai(spec: Extract<ModelSpec, { kind: 'openai' }>): ChatModel;
}

const OPENAI_EXAMPLE = 'openai:http://127.0.0.1:8000/v1#Alibaba-NLP/Tongyi-DeepResearch-30B-A3B';
const GRPC_EXAMPLE = 'grpc:127.0.0.1:50051';
const EXAMPLES = `Examples: extractive, ${OPENAI_EXAMPLE}, ${GRPC_EXAMPLE}`;

/**
 * Reads `extractive`, `openai:BASE_URL#MODEL` or `grpc:HOST:PORT`.
 * @throws InvalidInput saying what is wrong, with examples
 */
export function parseModelSpec(text: string): ModelSpec {
  const spec = text.trim();
  if (spec === 'extractive') return { kind: 'extractive' };
  if (spec.startsWith('openai:')) return openAiSpec(spec.slice('openai:'.length));
  if (spec.startsWith('grpc:')) return grpcSpec(spec.slice('grpc:'.length));
  throw wrong(`"${spec}" names no model. ${EXAMPLES}`);
}

/**
 * Builds what the spec asks for, or fails; it never falls back to another model.
 * @throws InvalidInput for a kind that this version cannot build
 */
export function buildModel(spec: ModelSpec, builders: ModelBuilders): ChatModel {
  switch (spec.kind) {
    case 'extractive':
      return builders.extractive();
    case 'openai':
      return builders.openai(spec);
    case 'grpc':
      throw wrong(
        `grpc:${spec.host}:${spec.port}: gRPC models are not available in this version. Use ${OPENAI_EXAMPLE}`,
      );
  }
}

function openAiSpec(rest: string): ModelSpec {
  if (rest === '') throw wrong(`"openai:" lacks the base URL and the model. Example: ${OPENAI_EXAMPLE}`);
  const hash = rest.indexOf('#');
  const url = hash < 0 ? rest : rest.slice(0, hash);
  const model = hash < 0 ? '' : rest.slice(hash + 1).trim();
  const problem = baseUrlProblem(url);
  if (problem !== undefined) throw wrong(`openai: ${problem}. Example: ${OPENAI_EXAMPLE}`);
  const baseUrl = url.replace(/\/+$/, '');
  if (model === '') {
    throw wrong(`"openai:${url}" lacks #MODEL, the name under which the server offers it. Example: ${OPENAI_EXAMPLE}`);
  }
  return { kind: 'openai', baseUrl, model };
}

function grpcSpec(rest: string): ModelSpec {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):(\d{1,5})$/.exec(rest);
  const [, host = '', digits = ''] = match ?? [];
  const port = Number(digits);
  if (!match || port < 1 || port > 65_535) {
    throw wrong(`"grpc:${rest}" is not grpc:HOST:PORT with a port from 1 to 65535. Example: ${GRPC_EXAMPLE}`);
  }
  return { kind: 'grpc', host, port };
}

function wrong(message: string): InvalidInput {
  return new InvalidInput([{ path: 'model', message }]);
}
