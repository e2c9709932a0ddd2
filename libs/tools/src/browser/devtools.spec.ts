import { PassThrough } from 'node:stream';
import { expect, it } from '@jest/globals';
import { DevTools } from './devtools.ts';

it('passes over a message without end, which a page can have sent, and hears the next one', async () => {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const broken: string[] = [];
  const devTools = new DevTools(input, output, (why) => broken.push(why));
  const answer = devTools.send('Browser.getVersion', {});
  const megabyte = 'a'.repeat(2 ** 20);
  for (let n = 0; n < 65; n++) output.write(megabyte);
  output.write('\0{"id":1,"result":{"product":"x"}}\0');
  await expect(answer).resolves.toEqual({ product: 'x' });
  expect(broken).toEqual([]);
  devTools.close();
});
