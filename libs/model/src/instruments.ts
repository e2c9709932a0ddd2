import { Instruments } from '#platform';
import type { LeftFor, PlacedBy } from './routing/choice.ts';

const agents = new Instruments('agent-worker');

/** Turns that went elsewhere than to their session's home, or made it. */
export const routes = agents.counter(
  'argosy_model_routes_total',
  'Sessions that were given a home among several groups: by what it was chosen, and why they left the one before.',
  {
    by: ['home', 'prefix', 'room', 'hash'] satisfies PlacedBy[],
    left: ['none', 'gone', 'draining', 'refuses', 'missing', 'slow'] satisfies (LeftFor | 'none')[],
  },
);

export const historyBreaks = agents.counter(
  'argosy_model_history_breaks_total',
  'Prompts that did not begin with the prompt and the reply before: what servers had cached of the rest was of no use.',
);
