import { counter } from '#platform';

/** What became of asking one provider for one query. */
export type Outcome = 'found' | 'nothing' | 'transient' | 'quota' | 'blocked' | 'invalid';

/** Answers of providers, those that were there already included. */
export const searchAnswers = counter(
  'argosy_search_answers_total',
  'Answers of search providers to one query each, by provider and outcome; invalid, blocked, quota and transient are faults.',
  [],
);
