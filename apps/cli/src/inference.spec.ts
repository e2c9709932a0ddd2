import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { inference } from './inference.ts';

const golden = resolve(import.meta.dirname, '../../../test/golden/moe/wide');
const interrupted = new AbortController().signal;
const silent = { print: () => undefined, interrupted };

describe('argosy inference', () => {
  it('inspects a checkpoint, and ends as for bad input when it could not be served', async () => {
    let printed = '';
    const print = (text: string): void => {
      printed += text;
    };
    const side = { print, interrupted };
    // The golden models have no tokenizer.
    expect(await inference(['inspect', golden, '--device-gb', '1', '--context', '512'], side)).toBe(2);
    expect(printed).toMatch(/parameters {4}479,936, of which a token uses/);
    expect(printed).toMatch(/on devices of 1\.00 GB/);
    expect(printed).toMatch(/NO USABLE TOKENIZER/);
  });

  it('plans for a checkpoint, as text and as JSON', async () => {
    let printed = '';
    const print = (text: string): void => {
      printed += text;
    };
    const side = { print, interrupted };
    const args = ['plan', '--gpus', '2xA100-40', '--model', golden];
    expect(await inference(args, side)).toBe(0);
    expect(printed).toMatch(/vllm serve .*wide --tensor-parallel-size 2 --enable-expert-parallel/);
    printed = '';
    expect(await inference([...args, '--json'], side)).toBe(0);
    expect(JSON.parse(printed)).toMatchObject({ parameters: 479_936, gpu: { name: 'A100-40' } });
  });

  it.each([
    [['inspect'], /inference: name the folder of a model/],
    [['weigh', golden], /"weigh" is no command of it; known: inspect, /],
    [['inspect', golden, 'and', 'more'], /name the folder of a model/],
    [['plan', '--gpus', '2xA100-80'], /name the devices and the model/],
    [['plan', '--gpus', '2xA100-80', '--model', golden, '--context', 'x'], /--context: is "x"/],
    [['fetch', '--to', '/x'], /name whence and whither/],
    [['fetch', '--from', golden, '--to', '/dev/null/x'], /--to: cannot be made/],
    [['conform'], /name the address of a group/],
    [['conform', 'a', '--gently'], /Known here: --drain/],
    [['inspect', golden, '--device-gb', '0'], /--device-gb: is "0"; it must be a number from 1/],
    [['inspect', golden, '--context', 'long'], /--context: is "long"/],
    [['inspect', golden, '--gpus', '4'], /Known here: --device-gb --context/],
    [['inspect', '/nowhere'], /\/nowhere\/config\.json: is not there/],
  ])('refuses %j', async (args, message) => {
    const refused = inference(args, silent);
    await expect(refused).rejects.toMatchObject({ code: 'validation_failed', message: expect.stringMatching(message) });
  });
});
