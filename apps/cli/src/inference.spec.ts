import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { inference } from './inference.ts';

const golden = resolve(import.meta.dirname, '../../../test/golden/moe/wide');
const silent = () => undefined;

describe('argosy inference', () => {
  it('inspects a checkpoint, and ends as for bad input when it could not be served', async () => {
    let printed = '';
    const print = (text: string) => {
      printed += text;
    };
    // The golden models have no tokenizer.
    expect(await inference(['inspect', golden, '--device-gb', '1', '--context', '512'], print)).toBe(2);
    expect(printed).toMatch(/parameters {4}479,936, of which a token uses/);
    expect(printed).toMatch(/on devices of 1\.00 GB/);
    expect(printed).toMatch(/NO USABLE TOKENIZER/);
  });

  it.each([
    [['inspect'], /inference: say inspect and the folder/],
    [['weigh', golden], /say inspect and the folder/],
    [['inspect', golden, 'and', 'more'], /say inspect and the folder/],
    [['inspect', golden, '--device-gb', '0'], /--device-gb: is "0"; it must be a number from 1/],
    [['inspect', golden, '--context', 'long'], /--context: is "long"/],
    [['inspect', golden, '--gpus', '4'], /Known here: --device-gb --context/],
    [['inspect', '/nowhere'], /\/nowhere\/config\.json: is not there/],
  ])('refuses %j', async (args, message) => {
    const refused = inference(args, silent);
    await expect(refused).rejects.toMatchObject({ code: 'validation_failed', message: expect.stringMatching(message) });
  });
});
