import { InvalidInput } from '#errors';
import type { ChatModel } from './chat-model.ts';
import { baseUrlProblem } from './endpoint.ts';
import type { ProfileId } from './profile.ts';

/** Which model an operator asked for. */
export type ModelSpec =
  | { readonly kind: 'extractive' }
  /** `profile`: how to speak with the model; absent for `tongyi-v1`. */
  | {
      readonly kind: 'openai';
      readonly baseUrls: readonly string[];
      readonly model: string;
      readonly profile?: ProfileId;
    }
  /** `addresses`: `host:port` of each group that serves it; `name`: what requests call it, null for the addresses. */
  | { readonly kind: 'grpc'; readonly addresses: readonly string[]; readonly name: string | null };

/** The name under which requests ask for a model. */
export function nameOf(spec: ModelSpec): string {
  switch (spec.kind) {
    case 'extractive':
      return 'extractive';
    case 'openai':
      return spec.model;
    case 'grpc':
      return spec.name ?? spec.addresses.join(',');
  }
}

/** How the models that this process can build are built. */
export interface ModelBuilders {
  extractive(): ChatModel;
  openai(spec: Extract<ModelSpec, { kind: 'openai' }>): ChatModel;
  grpc(spec: Extract<ModelSpec, { kind: 'grpc' }>): ChatModel;
}

const OPENAI_EXAMPLE = 'openai:http://127.0.0.1:8000/v1#Alibaba-NLP/Tongyi-DeepResearch-30B-A3B';
const TOOLS_EXAMPLE = 'openai-tools:http://127.0.0.1:8000/v1#Qwen/Qwen3-32B';
const GRPC_EXAMPLE = 'grpc:127.0.0.1:50051';
const GRPC_HINT = `Example: ${GRPC_EXAMPLE}, or for several groups of one model ${GRPC_EXAMPLE},127.0.0.1:50052#NAME`;
const MOST_GROUPS = 64;
const EXAMPLES = `Examples: extractive, ${OPENAI_EXAMPLE}, ${TOOLS_EXAMPLE}, ${GRPC_EXAMPLE}`;

/**
 * Reads `extractive`, `openai:BASE_URL#MODEL` (or several base URLs with commas) for a Tongyi agent (profile `tongyi-v1`), `openai-tools:BASE_URL#MODEL` for
 * any other model that calls tools natively (profile `openai-tools-v1`), or `grpc:HOST:PORT`.
 * @throws InvalidInput saying what is wrong, with examples
 */
export function parseModelSpec(text: string): ModelSpec {
  const spec = text.trim();
  if (spec === 'extractive') return { kind: 'extractive' };
  if (spec.startsWith('openai:')) return openAiSpec(spec);
  if (spec.startsWith('openai-tools:')) return openAiSpec(spec, 'openai-tools-v1');
  if (spec.startsWith('grpc:')) return grpcSpec(spec.slice('grpc:'.length));
  throw wrong(`"${spec}" names no model. ${EXAMPLES}`);
}

/** Builds what the spec asks for; it never falls back to another model. */
export function buildModel(spec: ModelSpec, builders: ModelBuilders): ChatModel {
  switch (spec.kind) {
    case 'extractive':
      return builders.extractive();
    case 'openai':
      return builders.openai(spec);
    case 'grpc':
      return builders.grpc(spec);
  }
}

function openAiSpec(spec: string, profile?: ProfileId): ModelSpec {
  const example = `Example: ${profile === undefined ? OPENAI_EXAMPLE : TOOLS_EXAMPLE}`;
  const colon = spec.indexOf(':');
  const kind = spec.slice(0, colon);
  const rest = spec.slice(colon + 1);
  if (rest === '') throw wrong(`"${kind}:" lacks the base URL and the model. ${example}`);
  const hash = rest.indexOf('#');
  const url = hash < 0 ? rest : rest.slice(0, hash);
  const model = hash < 0 ? '' : rest.slice(hash + 1).trim();
  // A comma is a part of an address unless another one begins behind it.
  const urls = url.split(/,(?=\s*https?:)/).map((one) => one.trim());
  const problem = urls.map(baseUrlProblem).find((found) => found !== undefined);
  if (problem !== undefined) throw wrong(`${kind}: ${problem}. ${example}`);
  const baseUrls = [...new Set(urls.map((one) => one.replace(/\/+$/, '')))];
  if (model === '') {
    throw wrong(`"${kind}:${url}" lacks #MODEL, the name under which the server offers it. ${example}`);
  }
  return { kind: 'openai', baseUrls, model, ...(profile === undefined ? {} : { profile }) };
}

function grpcSpec(rest: string): ModelSpec {
  const [list = '', ...named] = rest.split('#');
  const name = named.join('#').trim();
  if (named.length > 0 && name === '') throw wrong(`"grpc:${rest}" has no name behind its #. ${GRPC_HINT}`);
  const addresses = list.split(',').map((address) => address.trim());
  const strange = addresses.find((address) => !isAddress(address));
  if (strange !== undefined) {
    const which = addresses.length === 1 ? '' : `: "${strange}"`;
    throw wrong(`"grpc:${rest}" is not grpc:HOST:PORT with a port from 1 to 65535${which}. ${GRPC_HINT}`);
  }
  const twice = addresses.find((address, at) => addresses.indexOf(address) !== at);
  if (twice !== undefined) throw wrong(`"grpc:${rest}" names ${twice} twice. ${GRPC_HINT}`);
  if (addresses.length > MOST_GROUPS) throw wrong(`"grpc:" names ${addresses.length} groups; at most ${MOST_GROUPS}.`);
  return { kind: 'grpc', addresses, name: name === '' ? null : name };
}

function isAddress(text: string): boolean {
  const digits = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):(\d{1,5})$/.exec(text)?.[1];
  return digits !== undefined && Number(digits) >= 1 && Number(digits) <= 65_535;
}

function wrong(message: string): InvalidInput {
  return new InvalidInput([{ path: 'model', message }]);
}
