/** A gateway with everything behind it in one process: a model that says what it is told, and a tool that finds one text. */
import { AgentWorker } from '#agent-worker';
import type { Observation } from '#domain';
import { Gateway, type GatewayOptions } from '#gateway';
import { type ChatModel, type ChatRequest, OutputParser, tongyiV1 } from '#model';
import { DataDirectory, openEmbedded, type Runs } from '#runs';
import { ToolWorker } from '#tool-worker';
import type { Tool } from '#tools';
import { ApiDocument } from './api-document.ts';
import { useStore } from './embedded.ts';
import { keepLooking } from './looking.ts';
import { extractive } from './offers.ts';
import { observationOf, sha256Of } from './research.ts';
import { signingKey } from './sealing.ts';

export const answeringCorpus = 'c_0123456789abcdef';

/** Every search of these gateways finds this. */
const foundText = 'The ferry leaves Halloway every ninety minutes, on Sundays every two hours.';

/** What the model says to a prompt, in the forms of `tongyi-v1`; null: nothing, until the call is given up. */
export type Say = (prompt: string, request: ChatRequest) => string | null;

export interface AnsweringGateway {
  readonly gateway: Gateway;
  readonly runs: Runs;
  /** Starts one more over the same database. Its stop is up to who asks for it. */
  another(options: Partial<GatewayOptions>): Promise<Gateway>;
  /** Every prompt of the model so far. */
  readonly prompts: readonly string[];
}

/** Fetches, and lets no answer pass that is not as the gateway describes it. */
export async function describedFetch(url: string): Promise<typeof fetch> {
  const document = await ApiDocument.of(url);
  return async (...request) => {
    const response = await fetch(...request);
    await document.check(request[1]?.method ?? 'GET', response);
    return response;
  };
}

/** Opens one before the tests of a file and closes it after them. */
export function useAnsweringGateway(say: Say, options: Partial<GatewayOptions> = {}): () => AnsweringGateway {
  return useStore(async (folder) => {
    const directory = DataDirectory.hold(folder);
    const { runs, close } = await openEmbedded(directory, { leaseMs: 600_000, relookMs: 50, pollMs: 20 });
    const prompts: string[] = [];
    const model = modelOf(say, prompts);
    const silent = { log: () => undefined };
    const around = {
      runs,
      models: new Map([['scripted', model]]),
      tools: [search.signature],
      now: () => performance.now(),
    };
    const agent = await AgentWorker.start(around, { workerId: 'agent', concurrency: 8 }, silent);
    const tools = await ToolWorker.start(runs, [search], { workerId: 'tool', concurrency: 8 }, silent);
    const stopLooking = keepLooking(runs, 20);
    const address = { host: '127.0.0.1', port: 0, tenantId: 'local', signingKey, heartbeatMs: 20 };
    const another = async (more: Partial<GatewayOptions>) =>
      await Gateway.start(runs, offer, { ...address, ...options, ...more }, silent);
    const gateway = await another({});
    return {
      gateway,
      another,
      runs,
      prompts,
      close: async () => {
        await gateway.stop();
        await stopLooking();
        for (const worker of [agent, tools]) await worker.stop(0);
        await close();
        await directory.release();
      },
    };
  });
}

const offer = {
  models: new Map([
    ['scripted', { isLanguageModel: true, profile: 'tongyi-v1', contextTokens: 100_000, prices: [] }],
    ['extractive', extractive],
  ] as const),
  defaultModel: 'scripted',
  providers: ['arxiv'],
  knowsCorpus: (id: string) => id === answeringCorpus,
};

const search: Tool = {
  signature: {
    name: 'search',
    description: 'Finds passages.',
    parameters: { type: 'object', properties: { query: { type: 'array', items: { type: 'string' } } } },
  },
  deadlineMs: 10_000,
  sideEffects: false,
  run: async ({ query }) => {
    const observation: Observation = observationOf(foundText, String([query].flat()[0]));
    return { observation, snapshots: new Map([[sha256Of(foundText), foundText]]) };
  },
};

function modelOf(say: Say, prompts: string[]): ChatModel {
  return {
    name: 'scripted',
    profile: tongyiV1.id,
    contextTokens: 100_000,
    countPrompt: async (request) => ({ tokens: Math.ceil(tongyiV1.render(request).weight), basis: 'estimate' }),
    async reply(request, signal) {
      const prompt = tongyiV1.render(request).messages.map(({ content }) => content);
      prompts.push(prompt.join('\n'));
      const said = say(prompt.join('\n'), request);
      if (said === null) {
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        throw signal.reason;
      }
      const parser = new OutputParser(tongyiV1.stop);
      parser.push(said);
      const read = tongyiV1.read({ output: parser.end(), calls: [], finish: 'stop' }, request);
      return { ...read, usage: { promptTokens: 100, cachedTokens: 40, completionTokens: 10 } };
    },
  };
}
