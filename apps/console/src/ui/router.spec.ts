import { expect, it } from '@jest/globals';
import { viewOf } from './router.ts';

it.each([
  ['/', { name: 'ask' }],
  ['/runs', { name: 'runs' }],
  ['/runs/run_1', { name: 'run', runId: 'run_1' }],
  ['/fleet', { name: 'fleet' }],
  ['/settings', { name: 'settings' }],
  ['/welcome', { name: 'welcome' }],
  ['/login/callback', { name: 'callback' }],
  ['/nowhere', { name: 'ask' }],
])('%s shows %j', (path, view) => {
  expect(viewOf(path)).toEqual(view);
});
