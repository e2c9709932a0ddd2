import { expect, it } from '@jest/globals';
import { type BrowserSandbox, sandboxFlags } from './chromium.ts';

it.each<[BrowserSandbox, boolean, string[]]>([
  ['own', false, []],
  ['own', true, ['--no-sandbox']],
  ['pod', false, ['--no-sandbox']],
])('a browser gives up its own sandbox only where there is another or it would not start: %s, root %s', (...given) => {
  const [sandbox, isRoot, flags] = given;
  expect(sandboxFlags(sandbox, isRoot)).toEqual(flags);
});
