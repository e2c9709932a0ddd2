import { describe, expect, it } from '@jest/globals';
import { foreignCaller } from './loopback-guard.ts';

describe('foreignCaller', () => {
  it.each([
    { host: '127.0.0.1:7420' },
    { host: 'localhost' },
    { host: 'LOCALHOST:7420' },
    { host: '[::1]:7420' },
    { host: '127.0.0.1:7420', origin: 'http://127.0.0.1:7420' },
  ])('lets %j in', (headers) => {
    expect(foreignCaller(headers)).toBeNull();
  });

  it.each([
    {},
    { host: '' },
    { host: 'argosy.example' },
    { host: '127.0.0.1.argosy.example' },
    { host: 'localhost.argosy.example:7420' },
    { host: 'user@127.0.0.1@argosy.example' },
    { host: '10.0.0.1' },
  ])('refuses the Host of %j (DNS rebinding)', (headers) => {
    expect(foreignCaller(headers)).toMatch(/^This server answers to 127\.0\.0\.1 and localhost only/);
  });

  it.each(['https://argosy.example', 'http://127.0.0.1:1', 'http://localhost:7420', 'null', '', 'file://'])(
    'refuses the Origin %j',
    (origin) => {
      expect(foreignCaller({ host: '127.0.0.1:7420', origin })).toMatch(/^Requests from pages of another origin/);
    },
  );
});
