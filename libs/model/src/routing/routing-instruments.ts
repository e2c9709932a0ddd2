import { counter } from '#platform';

/** Turns that went elsewhere than to their session's home, or made it. */
export const routes = counter(
  'argosy_model_routes_total',
  'Sessions that were given a home among several groups: by what it was chosen, and why they left the one before.',
  [],
);
