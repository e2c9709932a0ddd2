import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Client } from './client.ts';

let answer = '';
const server = createServer((_, response) => response.end(answer));
let client: Client;
beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  client = new Client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
afterAll(() => void server.close());

it.each([
  ['lacks a field', '{"days":[{"day":"2026-11-26"}]}', /\/v1\/usage\?.* does not read \(days\.0\.\w+: .*release\.$/],
  ['is no JSON', '<html>', /does not read \(the whole: /],
])('says where an answer that %s comes from, and what to do', async (_what, text, words) => {
  answer = text;
  const asked = client.usage({ from: '2026-11-26', to: '2026-11-26' });
  await expect(asked).rejects.toThrow(words);
  await expect(asked).rejects.toMatchObject({ code: 'answer_not_understood' });
});
