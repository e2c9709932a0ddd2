/** What the demonstration asks of a group: a reply of the coordinator, and what the shards have done. */
import { randomUUID } from 'node:crypto';
import { credentials } from '@grpc/grpc-js';
import { expert, inference } from '#contracts/rpc';

/** A whole reply takes seconds. */
const replyMs = 120_000;

/**
 * Generates greedily: the most probable token, each time.
 * @param {string} address of the coordinator
 * @param {{ question: string, tokens: number, onToken: (count: number) => Promise<void> }} wanted `onToken` is waited for
 * @returns {Promise<string>} the text
 */
export async function replyTo(address, { question, tokens, onToken }) {
  const client = new inference.InferenceServiceClient(address, credentials.createInsecure());
  const request = inference.GenerateRequest.fromPartial({
    requestId: randomUUID(),
    sessionId: randomUUID(),
    prompt: { $case: 'messages', value: { messages: [{ role: 'user', content: question }] } },
    sampling: { temperature: 0, maxTokens: tokens },
  });
  const call = client.generate(request, { deadline: Date.now() + replyMs });
  let text = '';
  let count = 0;
  try {
    for await (const { event } of call) {
      if (event?.$case !== 'delta') continue;
      text += event.value.text;
      count += event.value.tokenIds.length;
      await onToken(count);
    }
  } finally {
    call.cancel();
    client.close();
  }
  return text;
}

/** Tokens that each expert of one shard has seen, summed over the layers, as the shard itself tells. */
export class ShardWatch {
  /** @type {number[]} by expert */
  tokens = [];
  #client;
  #call;
  #heard = Promise.withResolvers();

  /** @param {string} address */
  constructor(address) {
    this.#client = new expert.ExpertShardServiceClient(address, credentials.createInsecure());
    this.#call = this.#client.stats({ intervalMs: 50 });
    this.#call.on('data', ({ expertLoads }) => {
      for (const { expertId, tokens } of expertLoads) this.tokens[expertId] = (this.tokens[expertId] ?? 0) + tokens;
      this.#heard.resolve();
      this.#heard = Promise.withResolvers();
    });
    // A shard that is killed says no more.
    this.#call.on('error', () => this.#heard.resolve());
  }

  /** Until two more messages have come: what was done before is then counted. */
  async settled() {
    await this.#heard.promise;
    await this.#heard.promise;
  }

  close() {
    this.#call.cancel();
    this.#client.close();
  }
}
