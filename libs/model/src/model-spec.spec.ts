import { describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import type { ChatModel } from './chat-model.ts';
import { buildModel, parseModelSpec } from './model-spec.ts';

describe('parseModelSpec', () => {
  it.each([
    ['extractive', { kind: 'extractive' }],
    [
      ' openai:http://127.0.0.1:8000/v1/#org/Model-30B ',
      { kind: 'openai', baseUrls: ['http://127.0.0.1:8000/v1'], model: 'org/Model-30B' },
    ],
    [
      'openai:https://api.example.com/v1?v=2#qwen3:30b',
      { kind: 'openai', baseUrls: ['https://api.example.com/v1?v=2'], model: 'qwen3:30b' },
    ],
    [
      'openai:http://a:1/v1,http://b:2/v1/#m',
      { kind: 'openai', baseUrls: ['http://a:1/v1', 'http://b:2/v1'], model: 'm' },
    ],
    [
      'openai-tools:http://127.0.0.1:8000/v1#qwen3',
      { kind: 'openai', baseUrls: ['http://127.0.0.1:8000/v1'], model: 'qwen3', profile: 'openai-tools-v1' },
    ],
    ['grpc:pods.inference:50051', { kind: 'grpc', addresses: ['pods.inference:50051'], name: null }],
    ['grpc:[::1]:9', { kind: 'grpc', addresses: ['[::1]:9'], name: null }],
    ['grpc:a:1, b:2#big', { kind: 'grpc', addresses: ['a:1', 'b:2'], name: 'big' }],
  ])('reads %s', (text, spec) => {
    expect(parseModelSpec(text)).toEqual(spec);
  });

  it.each([
    ['', /names no model.*Examples: extractive, openai:http/],
    ['gpt-5', /"gpt-5" names no model/],
    ['openai:', /lacks the base URL and the model.*Example: openai:http/],
    ['openai:http://127.0.0.1:8000/v1', /lacks #MODEL/],
    ['openai:http://127.0.0.1:8000/v1#', /lacks #MODEL/],
    ['openai-tools:', /"openai-tools:" lacks the base URL and the model.*Example: openai-tools:http/],
    ['openai-tools:ftp://h#m', /^model: openai-tools: "ftp:.*is not an http or https URL/],
    ['openai:127.0.0.1:8000#m', /is not an http or https URL/],
    ['openai:http://a:1/v1,http://u:p@b/v1#m', /must not carry a user name/],
    ['openai:ftp://h/v1#m', /is not an http or https URL/],
    ['openai:http://h/v1/chat/completions#m', /before \/chat\/completions/],
    ['grpc:host', /is not grpc:HOST:PORT/],
    ['grpc:host:0', /port from 1 to 65535/],
    ['grpc:host:70000', /port from 1 to 65535/],
    ['grpc:a:1,b', /port from 1 to 65535: "b"\. Example: grpc:127/],
    ['grpc:a:1,a:1', /names a:1 twice/],
    ['grpc:a:1#', /no name behind its #/],
  ])('refuses "%s" with an example', (text, message) => {
    expect(() => parseModelSpec(text)).toThrow(InvalidInput);
    expect(() => parseModelSpec(text)).toThrow(message);
  });

  it('refuses a password in the URL without repeating it', () => {
    expect(() => parseModelSpec('openai:http://u:hunter2@h/v1#m')).toThrow(/^(?!.*hunter2).*API key/);
  });
});

describe('buildModel', () => {
  // Only its identity matters here.
  const model = {} as ChatModel;
  const other = {} as ChatModel;
  const builders = { extractive: () => other, openai: () => other, grpc: () => other };

  it('builds with the builder of the kind', () => {
    expect(buildModel({ kind: 'extractive' }, { ...builders, extractive: () => model })).toBe(model);
    expect(buildModel({ kind: 'grpc', addresses: ['h:1'], name: null }, { ...builders, grpc: () => model })).toBe(
      model,
    );
  });
});
