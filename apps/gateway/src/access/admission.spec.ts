import { describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { expectLoopback } from './admission.ts';

describe('expectLoopback', () => {
  it.each(['127.0.0.1', '127.0.0.2', 'localhost', '::1'])('lets a server without keys listen on %s', (host) => {
    expect(() => expectLoopback(host)).not.toThrow();
  });

  it.each(['0.0.0.0', '::', '10.0.0.1', 'argosy.example', 'localhost.example', '127.0.0.1.example'])(
    'does not on %s, and says what to do',
    (host) => {
      expect(() => expectLoopback(host)).toThrow(InvalidInput);
      expect(() => expectLoopback(host)).toThrow(/^ARGOSY_HOST: .* set ARGOSY_KEY_PEPPER, or listen on 127\.0\.0\.1$/);
    },
  );
});
