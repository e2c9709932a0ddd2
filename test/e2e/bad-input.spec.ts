import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  argosy,
  emptyWorkplace,
  endLeftovers,
  type Finished,
  type Running,
  serve,
  workplace,
} from '../support/argosy.ts';

const cwd = emptyWorkplace();
endLeftovers();
for (const folder of ['docs', 'empty', 'unreadable']) mkdirSync(join(cwd, folder));
writeFileSync(join(cwd, 'docs', 'bells.md'), '# Bells\n\nThe bell of the pier rings in fog.\n');
writeFileSync(join(cwd, 'binary.md'), Buffer.from([0x23, 0x20, 0, 1, 2, 3]));
writeFileSync(join(cwd, 'photo.jpg'), Buffer.from([0xff, 0xd8, 0xff]));
writeFileSync(join(cwd, 'broken.pdf'), '%PDF-1.4\nthe rest is missing');
writeFileSync(join(cwd, 'a-file'), 'no folder');
chmodSync(join(cwd, 'unreadable'), 0);

/** Nobody can take the right to read from root. */
const unlessRoot = process.getuid?.() === 0 ? it.skip : it;

function expectRefusal(run: Finished, exitCode: number, words: readonly RegExp[]): void {
  expect(run).toMatchObject({ exitCode });
  for (const word of words) expect(run.stderr).toMatch(word);
  expect(run.stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m);
  expect(run.stderr).not.toMatch(/\bundefined\b|\[object|Invalid input: expected/);
  expect(run.stdout).toBe('');
}

const question = 'What rings in fog?';
const corpus = ['--corpus', 'docs'];

describe('a command line that cannot be used is refused with exit code 2 and says what to do: ', () => {
  it.each<[string, readonly string[], ...RegExp[]]>([
    ['an empty question', ['start', '  ', ...corpus], /the question is empty: write what you want to know/],
    ['a question of 100 KB', ['start', 'x'.repeat(100_000), ...corpus], /longer than 20000 characters: put background/],
    ['no question', ['start', ...corpus], /question: missing: npm start -- "your question"/],
    ['a question without quotation marks', ['start', 'What', 'rings', ...corpus], /in quotation marks/, /"rings"/],
    ['a missing corpus', ['start', question, '--corpus', 'dosc'], /dosc: there is no such file or folder/],
    ['an empty corpus path', ['start', question, '--corpus', ''], /--corpus: the path is empty/],
    ['an empty folder', ['start', question, '--corpus', 'empty'], /empty: holds no document/, /Markdown.*PDF/],
    ['a file of another type', ['start', question, '--corpus', 'photo.jpg'], /photo\.jpg: .*not read/, /Markdown.*PDF/],
    ['a binary file', ['start', question, '--corpus', 'binary.md'], /binary\.md: .*binary content/, /Markdown.*PDF/],
    ['a broken PDF alone', ['start', question, '--corpus', 'broken.pdf'], /broken\.pdf: .*PDF cannot be read/],
    ['an unknown flag', ['start', question, '--corpse', 'docs'], /'--corpse'/, /Known here: --corpus --url/],
    ['a flag without its value', ['start', question, '--corpus'], /'--corpus <value>' argument missing/],
    [
      'bad numbers, all at once',
      [
        'start',
        question,
        ...corpus,
        '--max-steps',
        '1.5',
        '--max-seconds',
        'long',
        '--max-tokens',
        '0',
        '--max-usd',
        '',
      ],
      /--max-steps: needs a whole number above 0/,
      /--max-seconds: needs a number above 0/,
      /--max-tokens: needs a whole number above 0/,
      /--max-usd: needs a number above 0/,
    ],
    ['too many steps', ['start', question, ...corpus, '--max-steps', '1000000'], /--max-steps: .*10000/],
    ['a URL that is none', ['start', question, '--url', 'example'], /--url: an absolute http:\/\/ or https:\/\/ URL/],
    ['a URL of a file', ['start', question, '--url', 'file:///etc/hostname'], /--url: an absolute http:\/\//],
    [
      'a domain that is a URL',
      ['start', question, ...corpus, '--deny-domain', 'http://x'],
      /--deny-domain: a host name/,
    ],
    ['an unknown model', ['start', question, ...corpus, '--model', 'gpt'], /"gpt" names no model/, /openai:http/],
    ['a model without an address', ['start', question, ...corpus, '--model', 'openai:'], /lacks the base URL/],
    [
      'a model without a name',
      ['start', question, ...corpus, '--model', 'openai:http://127.0.0.1:1/v1'],
      /lacks #MODEL/,
    ],
    ['an unknown command', ['reserach', question], /there is no command "reserach"/, /argosy research "question"/],
    ['runs without an action', ['runs'], /say list, show ID, watch ID, explain ID, cancel ID or delete ID/],
    ['verify without a folder', ['verify'], /give the folder of one report/],
    ['verify of another folder', ['verify', 'docs'], /docs\/report\.json: cannot be read/, /folder of one report/],
    ['a port that is none', ['serve', '--port', '70000'], /--port: needs a number from 0 to 65535/],
    ['serve with a question', ['serve', question], /serve takes no question/],
  ])('%s', async (_, args, ...words) => {
    expectRefusal(await argosy(args, { cwd }), 2, words);
  });

  it('nothing to read, where no search provider is set up', async () => {
    const run = await argosy(['start', question], { cwd, env: { ARGOSY_SEARCH_PROVIDERS: 'none' } });
    expectRefusal(run, 2, [/--corpus PATH/, /--url URL/, /^ {2}npm start -- ".+" --corpus docs$/m]);
  });

  unlessRoot('an unreadable corpus', async () => {
    expectRefusal(await argosy(['start', question, '--corpus', 'unreadable'], { cwd }), 2, [/EACCES/, /permissions/]);
  });
});

describe('an environment that cannot be used is refused with exit code 2: ', () => {
  it('every bad value and every unknown name, all listed', async () => {
    const env = {
      ARGOSY_PORT: 'http',
      ARGOSY_HOST: 'all of them',
      ARGOSY_LOG_LEVEL: 'loud',
      ARGOSY_MODEL: 'gpt',
      ARGOSY_MODEL_PRICES: '1,2',
      ARGOSY_EGRESS_ALLOW: 'localhost',
      ARGOSY_SEARCH_PROVIDERS: 'google',
      ARGOSY_URL: 'localhost:7420',
      ARGOSY_CORPUS: 'docs',
    };
    const run = await argosy(['start', question, ...corpus], { cwd, env });
    expect(run).toMatchObject({ exitCode: 2, stdout: '' });
    for (const name of Object.keys(env)) expect(run.stderr).toMatch(new RegExp(`^(argosy: )?${name}: \\S`, 'm'));
    expect(run.stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
  });

  it('an address that others reach, where no keys are asked for', async () => {
    const words = [/ARGOSY_HOST: 0\.0\.0\.0 can be reached from other machines/];
    expectRefusal(await argosy(['serve'], { cwd, env: { ARGOSY_HOST: '0.0.0.0' } }), 2, words);
  });

  it('a pepper where no keys are asked for, and one that is too short', async () => {
    const serve = async (pepper: string) => await argosy(['serve'], { cwd, env: { ARGOSY_KEY_PEPPER: pepper } });
    expectRefusal(await serve('0'.repeat(64)), 2, [/ARGOSY_KEY_PEPPER: `argosy serve` asks for no keys/]);
    expectRefusal(await serve('secret'), 2, [/ARGOSY_KEY_PEPPER: needs at least 32 bytes/]);
  });

  it('a signing key that is none', async () => {
    const env = { ARGOSY_SIGNING_KEY_FILE: 'a-file' };
    expectRefusal(await argosy(['serve'], { cwd, env }), 2, [
      /ARGOSY_SIGNING_KEY_FILE: the signing key a-file cannot be/,
    ]);
  });

  it('a data directory that is a file', async () => {
    const env = { ARGOSY_DATA_DIR: 'a-file' };
    const words = [/a-file: the data directory cannot be written/, /ARGOSY_DATA_DIR/];
    expectRefusal(await argosy(['start', question, ...corpus], { cwd, env }), 2, words);
    expectRefusal(await argosy(['serve'], { cwd, env }), 2, words);
  });
});

it.each([
  ['a list of runs', ['runs', 'list']],
  ['a question about documents here', ['start', question, ...corpus]],
])('a remote server that does not answer %s ends with exit code 5 and its address', async (_what, args) => {
  const env = { ARGOSY_URL: 'http://127.0.0.1:9' };
  expectRefusal(await argosy(args, { cwd, env }), 5, [/No Argosy server answers at http:\/\/127\.0\.0\.1:9/]);
});

it('a web that does not answer ends with exit code 5, a report that says why, and the ways out in one line', async () => {
  const address = '127.0.0.1:9';
  const env = { ARGOSY_SEARCH_PROVIDERS: `searxng=http://${address}`, ARGOSY_EGRESS_ALLOW: address };
  const run = await argosy(['start', question], { cwd, env });
  expect(run).toMatchObject({ exitCode: 5, stdout: expect.stringContaining('**failed**: Nothing could be read.') });
  expect(run.stderr).toMatch(/^searching the web: queries go to 127\.0\.0\.1:9 \(searxng\); /m);
  const ways =
    /^argosy: the web cannot be searched from here: .*--corpus PATH.*--url URL.*ARGOSY_SEARCH_PROVIDERS.*\n$/m;
  expect(run.stderr).toMatch(ways);
  expect(run.stderr).not.toMatch(/^\s+at /m);
});

describe('with a data directory', () => {
  let other: Server;
  let port: number;

  beforeAll(async () => {
    await workplace(cwd);
    other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    port = (other.address() as AddressInfo).port;
  }, 60_000);
  afterAll(() => {
    other.close();
  });

  it('serve refuses a port that is taken', async () => {
    const words = [
      new RegExp(`port ${port} on 127\\.0\\.0\\.1 is in use`),
      /choose another with --port or ARGOSY_PORT/,
    ];
    expectRefusal(await argosy(['serve', '--port', String(port)], { cwd }), 2, words);
  });

  it('a model server that does not answer fails the run with exit code 4 and a report that names it', async () => {
    const closed = await closedPort();
    const url = `http://127.0.0.1:${closed}/v1`;
    const run = await argosy(['start', question, ...corpus, '--model', `openai:${url}#m`], { cwd });
    expect(run).toMatchObject({ exitCode: 4, stdout: expect.stringContaining(`No model server answers at ${url}`) });
    expect(run.stdout).toContain(`curl ${url}/models`);
    expect(run.stderr).not.toMatch(/^\s+at /m);
  });

  describe('and a server that runs', () => {
    let server: Running;
    beforeAll(async () => {
      server = await serve({ cwd }, ['--model', 'openai:http://127.0.0.1:9/v1#priceless']);
    }, 60_000);
    afterAll(async () => {
      server.kill('SIGTERM');
      await server.finished;
    });

    it.each(['show', 'watch', 'cancel', 'delete'])(
      'runs %s refuses an unknown run with exit code 2',
      async (action) => {
        expectRefusal(await argosy(['runs', action, 'run_nowhere'], { cwd }), 2, [/There is no run run_nowhere/]);
      },
    );

    it('a second serve on the same data directory is refused and says who can be asked', async () => {
      expectRefusal(await argosy(['serve', '--port', '0'], { cwd }), 2, [
        /is using the data directory/,
        /argosy runs list/,
      ]);
    });

    it('a budget in money is refused with exit code 2 where the prices are unknown', async () => {
      const run = await argosy(['start', question, ...corpus, '--max-usd', '1'], { cwd });
      expectRefusal(run, 2, [/budget\.usd: the prices of priceless are not configured/, /ARGOSY_MODEL_PRICES/]);
    });

    it('a model that the server was not started with is refused with exit code 2 and the names it knows', async () => {
      const run = await argosy(['start', question, ...corpus, '--model', 'openai:http://127.0.0.1:9/v1#other'], {
        cwd,
      });
      expectRefusal(run, 2, [/The model "other" is not configured here; known: extractive, priceless/]);
    });

    it('a folder for reports that cannot be written is named', async () => {
      const run = await argosy(['start', question, ...corpus, '--model', 'extractive', '--out', 'a-file'], { cwd });
      expectRefusal(run, 2, [/^argosy: a-file: cannot be written/m, /--out/]);
    });
  });
});

/** A port on which nothing listens: one that was just given back. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
