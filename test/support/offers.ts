/** What gateways under test offer: the model that needs no server, and nothing to search. */
import type { ConfiguredModel } from '#model';

export const extractive: ConfiguredModel = {
  isLanguageModel: false,
  profile: 'extractive-v1',
  contextTokens: null,
  prices: [{ from: null, value: { promptUsd: 0, cachedUsd: 0, completionUsd: 0 } }],
};

const plain = {
  models: new Map([['extractive', extractive]]),
  defaultModel: 'extractive',
  providers: [] as readonly string[],
  knowsCorpus: (_id: string): boolean => false,
};

export function offerOf(changes: Partial<typeof plain> = {}): typeof plain {
  return { ...plain, ...changes };
}
