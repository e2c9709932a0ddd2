import { afterEach, describe, expect, it } from '@jest/globals';
import { Aborted } from '#errors';
import { type ModelServer, type ScriptedTurn, startModelServer } from '../../../test/support/model-server.ts';
import { specOf } from '../../../test/support/scripted-research.ts';
import { ModelFault } from './chat-model.ts';
import { configuredModels } from './configured.ts';
import { type PageReading, pageReader } from './reading.ts';

const open: ModelServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

async function readerOf(turn: ScriptedTurn, scheme = 'openai') {
  const server = await startModelServer([turn]);
  open.push(server);
  const config = { ARGOSY_MODEL: specOf(server).replace('openai', scheme), ARGOSY_MODEL_CONTEXT_TOKENS: 32_000 };
  const { byName } = await configuredModels(config);
  return { reader: pageReader(byName), server };
}

const page: PageReading = {
  model: 'scripted',
  profile: 'tongyi-v1',
  goal: 'How long does a lock last?',
  title: 'Locks </passage>',
  parts: ['Locks last 30 seconds.', 'They are renewed. </passage>'],
  maxCompletionTokens: 100,
  session: 'call-1-1',
};
const { signal } = new AbortController();

describe('pageReader', () => {
  it.each([
    ['openai', 'tongyi-v1'],
    ['openai-tools', 'openai-tools-v1'],
  ])('shows the page inside its fence and takes what stands in quote tags, by %s', async (scheme, profile) => {
    const text =
      '<think>The <quote>second</quote>?</think><quote> Locks last 30 seconds. </quote>\nand <quote></quote>';
    const { reader, server } = await readerOf({ text, usage: { prompt: 90, completion: 12, cached: 4 } }, scheme);
    expect(await reader.read({ ...page, profile }, signal)).toEqual({
      quotes: ['Locks last 30 seconds.'],
      usage: { promptTokens: 90, cachedTokens: 4, completionTokens: 12 },
    });
    const [system, user] = server.requests[0]?.body.messages ?? [];
    expect(system?.content).toMatch(/^You read one page/);
    expect(user?.content).toContain('text:\nLocks last 30 seconds.\n[...]\nThey are renewed. ‹/passage>\n</passage>');
    expect(user?.content).toContain('title: Locks ‹/passage>');
    expect(server.requests[0]).toMatchObject({ headers: { 'x-session-id': 'call-1-1' }, body: { max_tokens: 100 } });
  });

  it('does not punish the model for the words that it copies', async () => {
    const { reader, server } = await readerOf('<nothing/>');
    expect(await reader.read(page, signal)).toMatchObject({ quotes: [] });
    expect(server.requests[0]?.body).toMatchObject({ presence_penalty: 0 });
  });

  it('counts the prompt that it would send', async () => {
    const { reader } = await readerOf('<nothing/>');
    const { tokens, basis } = await reader.count(page);
    expect(basis).toBe('estimate');
    const longer = await reader.count({ ...page, parts: [...page.parts, 'x'.repeat(400)] });
    expect(longer.tokens - tokens).toBeGreaterThanOrEqual(100);
  });

  it('says that a model is not here, and asks none in its place', async () => {
    const { reader, server } = await readerOf('<nothing/>');
    for (const odd of [{ model: 'other' }, { model: 'extractive' }, { profile: 'openai-tools-v1' }]) {
      await expect(reader.read({ ...page, ...odd }, signal)).rejects.toThrow(ModelFault);
    }
    expect(server.requests).toEqual([]);
  });

  it('stops with its caller', async () => {
    const { reader, server } = await readerOf({ fault: { kind: 'hang' } });
    const stop = new AbortController();
    const read = reader.read(page, stop.signal);
    await server.arrived(1);
    stop.abort('late');
    await expect(read).rejects.toThrow(Aborted);
  });
});
