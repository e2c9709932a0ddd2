import { Instruments, namesOf } from '#platform';

const outcomes = ['found', 'nothing', 'transient', 'quota', 'blocked', 'invalid'] as const;

/** What became of asking one provider for one query. */
export type Outcome = (typeof outcomes)[number];

/** Answers of providers, those that were there already included. */
export const searchAnswers = new Instruments('tool-worker').counter(
  'argosy_search_answers_total',
  'Answers of search providers to one query each, by provider and outcome; invalid, blocked, quota and transient are faults.',
  { provider: namesOf('a search provider'), outcome: outcomes },
);
