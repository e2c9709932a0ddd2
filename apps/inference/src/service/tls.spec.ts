/** A group behind TLS and a model of a configuration that asks it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { inference } from '#contracts/rpc';
import { configuredModels } from '#model';
import { Generator, Guides } from '#moe';
import { readConfig } from '#platform';
import { loadTokenizer } from '#tokens';
import { newAuthority } from '../../../../test/support/certificates.ts';
import { exact, layerInput, never, residentExperts, useTinyModel } from '../../../../test/support/expert-group.ts';
import { tokenizerFolder } from '../../../../test/support/tokenizer-folder.ts';
import { toyModel } from '../../../../test/support/toy-model.ts';
import { RemoteShard, usualRemoteLimits } from '../group/remote-shard.ts';
import { ShardServer } from '../shard/shard-server.ts';
import { shardCredentials } from '../transport/tls.ts';
import type { Engine } from './engine.ts';
import { InferenceServer } from './server.ts';

const contextTokens = 131_072;
const quiet = { log: () => undefined };
const [authority, stranger] = [newAuthority('ours'), newAuthority('theirs')];

let folder: string;
let tokens: string;
let server: InferenceServer;

const file = (name: string) => join(folder, name);

async function engine(): Promise<Engine> {
  const tokenizer = await loadTokenizer(tokens);
  const [word = 0] = tokenizer.encode('x');
  const vocabulary = word + 1;
  const logits = () => Float32Array.from({ length: vocabulary }, (_, id) => (id === word ? 9 : 0));
  const limits = {
    kvTokens: contextTokens,
    stepTokens: 4_096,
    running: 4,
    waiting: 4,
    retryAfterMs: 100,
    weights: new Map(),
  };
  const speech = {
    model: 'toy',
    bytesOf: (id: number) => tokenizer.bytesOf(id),
    endIds: new Set<number>(),
    contextTokens,
  };
  return {
    generator: new Generator(toyModel({ vocabulary, logits }), speech, limits, () => performance.now()),
    guides: new Guides({ size: vocabulary, ...speech }),
    tokenizer,
    vocabulary,
    now: () => performance.now(),
    defaults: () => ({
      temperature: 0,
      topP: 1,
      topK: 0,
      presencePenalty: 0,
      repetitionPenalty: 1,
      seed: 1,
      stop: [],
      maxTokens: 5,
      logprobs: null,
    }),
    group: () => ({ balancedness: undefined, planEpoch: undefined }),
    info: inference.GetInfoResponse.fromPartial({ model: 'toy', contextTokens }),
  };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'argosy-tls-'));
  tokens = await tokenizerFolder();
  const identities = { server: authority.certify(['localhost']), client: authority.certify(['agent']) };
  for (const [name, { cert, key }] of Object.entries({ ...identities, other: stranger.certify(['agent']) })) {
    await writeFile(file(`${name}.pem`), cert);
    await writeFile(file(`${name}.key`), key);
  }
  await writeFile(file('ca.pem'), authority.cert);
  const tls = { cert: file('server.pem'), key: file('server.key'), ca: file('ca.pem') };
  server = await InferenceServer.start(await engine(), { listen: '127.0.0.1:0', tls }, quiet);
});
afterAll(async () => {
  await server.stop(0);
  await Promise.all([folder, tokens].map((path) => rm(path, { recursive: true })));
});

async function counted(identity: string | null): Promise<string> {
  const own = identity && {
    ARGOSY_MODEL_TLS_CERT_FILE: file(`${identity}.pem`),
    ARGOSY_MODEL_TLS_KEY_FILE: file(`${identity}.key`),
  };
  const spec = `grpc:localhost:${server.port}`;
  const config = readConfig({ ARGOSY_MODEL: spec, ARGOSY_MODEL_TLS_CA_FILE: file('ca.pem'), ...own });
  const { byName, defaultName } = await configuredModels(config);
  const turns = [{ role: 'question' as const, text: 'Why?' }];
  const request = { turns, tools: [], today: '2026-11-26', mustAnswer: false, maxCompletionTokens: 5, session: 'r' };
  return (await byName.get(defaultName)?.countPrompt(request))?.basis ?? 'none';
}

describe('a group with an identity', () => {
  it('is asked by those who trust it and show a certificate of its authority, and by nobody else', async () => {
    expect(await counted('client')).toBe('tokenizer');
    // Without an answer from the group the prompt is estimated.
    expect(await counted('other')).toBe('estimate');
    expect(await counted(null)).toBe('estimate');
  });

  it('needs both halves of its identity, and files that hold them', async () => {
    const starting = async (tls: { cert?: string; key?: string; ca?: string }) => {
      const whole = { cert: undefined, key: undefined, ca: undefined, ...tls };
      return await InferenceServer.start(await engine(), { listen: '127.0.0.1:0', tls: whole }, quiet);
    };
    await expect(starting({ cert: file('server.pem') })).rejects.toThrow(
      /ARGOSY_INFERENCE_TLS_KEY_FILE are needed, both/,
    );
    const missing = starting({ cert: file('none.pem'), key: file('server.key') });
    await expect(missing).rejects.toThrow(/^ARGOSY_INFERENCE_TLS_CERT_FILE: cannot be read: ENOENT/);
    await writeFile(file('garbage'), 'garbage');
    const whole = { cert: file('server.pem'), key: file('server.key'), ca: file('ca.pem') };
    for (const [part, name] of Object.entries({ cert: 'CERT', key: 'KEY', ca: 'CA' })) {
      const damaged = starting({ ...whole, [part]: file('garbage') });
      await expect(damaged).rejects.toThrow(
        new RegExp(`^ARGOSY_INFERENCE_TLS_${name}_FILE: .*garbage is not what it should be`),
      );
    }
    const foreign = starting({ ...whole, key: file('client.key') });
    await expect(foreign).rejects.toThrow(/^ARGOSY_INFERENCE_TLS_KEY_FILE: .*is not the key of the certificate in/);
  });

  it('is not asked with half an identity', async () => {
    const config = readConfig({ ARGOSY_MODEL: 'grpc:localhost:1', ARGOSY_MODEL_TLS_KEY_FILE: file('client.key') });
    await expect(configuredModels(config)).rejects.toThrow(/ARGOSY_MODEL_TLS_CERT_FILE: .*set both or neither/);
  });
});

describe('a shard with an identity', () => {
  const model = useTinyModel();

  async function withShard(use: (address: string) => Promise<void>): Promise<void> {
    const tls = { cert: file('server.pem'), key: file('server.key'), ca: file('ca.pem') };
    const options = { listen: '127.0.0.1:0', tls };
    const shard = await ShardServer.start(residentExperts(model.checkpoint()), options, quiet);
    try {
      await use(`localhost:${shard.port}`);
    } finally {
      await shard.stop(0);
    }
  }

  /** @param identity whose certificate the coordinator shows @param ca whom it trusts */
  async function shardAt(address: string, identity: string | null, ca = 'ca.pem'): Promise<RemoteShard> {
    const [cert, key] = identity === null ? [undefined, undefined] : [file(`${identity}.pem`), file(`${identity}.key`)];
    const secured = await shardCredentials({ cert, key, ca: file(ca) });
    return new RemoteShard(address, { ...usualRemoteLimits, openMs: 5_000 }, secured);
  }

  it('answers a coordinator of its authority with the bits of one machine', async () => {
    await withShard(async (address) => {
      const group = await model.group([await shardAt(address, 'client')], exact);
      const { x, routing } = layerInput(5, 3);
      expect(await group.apply(1, x, routing, never)).toEqual(await model.plain().apply(1, x, routing, never));
      await group.close();
    });
  });

  it('is no use to anybody else, and one that nobody vouches for is not asked', async () => {
    await writeFile(file('stranger-ca.pem'), stranger.cert);
    await withShard(async (address) => {
      const plain = new RemoteShard(address);
      const others = [plain, await shardAt(address, null), await shardAt(address, 'other')];
      const trusting = await shardAt(address, 'client', 'stranger-ca.pem');
      for (const shard of [...others, trusting]) {
        await expect(shard.open(never)).rejects.toThrow(/^Shard localhost:\d+ is lost: /);
        await shard.close();
      }
    });
  });

  it('is not asked with half an identity, nor without knowing whom to trust', async () => {
    const of = async (files: object) =>
      await shardCredentials({ cert: undefined, key: undefined, ca: undefined, ...files });
    await expect(of({ cert: file('client.pem'), key: file('client.key') })).rejects.toThrow(
      /^ARGOSY_INFERENCE_SHARD_CA_FILE: is needed/,
    );
    await expect(of({ ca: file('ca.pem'), cert: file('client.pem') })).rejects.toThrow(
      /^ARGOSY_INFERENCE_SHARD_CERT_FILE: and ARGOSY_INFERENCE_SHARD_KEY_FILE are needed, both/,
    );
  });
});
