import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { Aborted, Unavailable } from '#errors';
import type { Opened } from './pages.ts';
import { type PageReader, type PageReading, Readings, type ReadingsParts } from './reading.ts';
import { contextWith } from './testing/context.contract.ts';
import type { FittingSpan } from './text/fit.ts';

const paragraphs = [
  '# Locks',
  'A lock lasts “thirty\nseconds”.',
  'Nobody knows why it rains.',
  'It is renewed every ten seconds.',
];
const goal = 'How long does a lock last?';
const grant = { model: 'scripted', profile: 'tongyi-v1', pages: 2, promptTokens: 2_000, replyTokens: 100 };
const usage = { promptTokens: 70, cachedTokens: 10, completionTokens: 9 };
const never = new AbortController().signal;

function pageOf(texts: readonly string[]): { opened: Opened; fitting: FittingSpan[] } {
  const text = texts.join('\n\n');
  let from = 0;
  const spans = texts.map((part) => {
    const start = text.indexOf(part, from);
    from = start + part.length;
    return { start, end: from, headings: ['Locks'] };
  });
  const sha256 = createHash('sha256').update(text).digest('hex');
  const source = { uri: 'https://a.example/', title: 'Locks', sha256, bytes: Buffer.byteLength(text), fetchedAt: '' };
  const fitting = spans.map((span, index) => ({ ...span, score: texts.length - index }));
  return { opened: { source, page: { text, spans } }, fitting };
}

/** Answers with these quotations and tells what it was shown. */
class Reader implements PageReader {
  readonly asked: PageReading[] = [];
  readonly quotes: readonly string[];
  readonly basis: string;
  readonly perCharacter: number;

  constructor(quotes: readonly string[], basis = 'estimate', perCharacter = 0.25) {
    this.quotes = quotes;
    this.basis = basis;
    this.perCharacter = perCharacter;
  }

  async count({ parts }: PageReading) {
    return { tokens: Math.ceil(parts.join('').length * this.perCharacter) + 100, basis: this.basis };
  }
  async read(reading: PageReading, _signal: AbortSignal) {
    this.asked.push(reading);
    return { quotes: this.quotes, usage: { ...usage, gpuMs: 250 } };
  }
}

function readingsWith(parts: Partial<ReadingsParts>, changes: Partial<typeof grant> = {}) {
  const faults: string[] = [];
  const context = { ...contextWith({}), reading: { ...grant, ...changes } };
  const readings = new Readings({ reader: null, onFault: (message) => faults.push(message), ...parts }, context);
  return { readings, faults, context };
}

const { opened, fitting } = pageOf(paragraphs);

describe('Readings', () => {
  it('takes what the model copied and what stands on the page, in the page’s own characters and order', async () => {
    const reader = new Reader([
      'It is renewed every ten seconds.',
      'A lock lasts "thirty seconds".',
      'A lock lasts an hour.',
      'lasts “thirty',
    ]);
    const { readings } = readingsWith({ reader });
    const { passages, chosen } = await readings.choose(opened, goal, fitting, never);
    expect(chosen).toEqual({ by: 'model' });
    expect(passages.map(({ text }) => text)).toEqual([
      'A lock lasts “thirty\nseconds”.',
      'It is renewed every ten seconds.',
    ]);
    for (const { start, end, text, headings, sha256 } of passages) {
      expect(opened.page.text.slice(start, end)).toBe(text);
      expect([headings, sha256]).toEqual([['Locks'], opened.source.sha256]);
    }
    expect(passages[1]?.score).toBeGreaterThan(passages[0]?.score ?? Infinity);
    expect(readings.usage).toEqual({ ...usage, gpuMs: 250, calls: 1 });
    expect(reader.asked[0]).toMatchObject({ goal, title: 'Locks', parts: [opened.page.text], model: 'scripted' });
  });

  it.each([
    [['A lock lasts an hour.', 'lock'], /nothing that the model copied out stands on the page/],
    [[], /found nothing in it for this goal/],
  ])('lets words choose where nothing of %j is left, and says so', async (quotes, because) => {
    const { readings } = readingsWith({ reader: new Reader(quotes) });
    const { passages, chosen } = await readings.choose(opened, goal, fitting, never);
    expect(passages).toHaveLength(paragraphs.length);
    expect(chosen).toEqual({ by: 'words', because: expect.stringMatching(because) });
    expect(readings.usage).toMatchObject({ calls: 1, promptTokens: 70 });
  });

  it('asks no more often than the run grants', async () => {
    const reader = new Reader(['A lock lasts “thirty']);
    const { readings } = readingsWith({ reader });
    const all = await Promise.all([1, 2, 3].map(async () => await readings.choose(opened, goal, fitting, never)));
    expect(all.map(({ chosen }) => chosen?.by)).toEqual(['model', 'model', 'words']);
    expect(all[2]?.chosen).toMatchObject({ because: expect.stringMatching(/budget/) });
    expect(new Set(reader.asked.map(({ session }) => session)).size).toBe(2);
    expect(readings.usage).toMatchObject({ calls: 2, promptTokens: 140, gpuMs: 500 });
  });

  it('leaves the choice to words, without a word about it, in a run whose model reads no pages', async () => {
    const readings = new Readings({ reader: new Reader(['x']), onFault: () => {} }, contextWith({}));
    expect(await readings.choose(opened, goal, fitting, never)).toEqual({ passages: expect.any(Array) });
    expect(readings.usage).toBeUndefined();
  });

  it('tells the operator why the model could not be asked, and the run only that', async () => {
    const away = {
      count: async () => ({ tokens: 1, basis: 'estimate' }),
      read: async () => Promise.reject(new Unavailable('10.0.0.1 is away')),
    };
    const { readings, faults } = readingsWith({ reader: away });
    const { chosen } = await readings.choose(opened, goal, fitting, never);
    expect(chosen).toEqual({ by: 'words', because: 'the model could not be asked' });
    expect(faults).toEqual(['10.0.0.1 is away']);
    expect(readings.usage).toBeUndefined();
    expect((await readingsWith({}).readings.choose(opened, goal, fitting, never)).chosen).toMatchObject({
      by: 'words',
    });
  });

  /** A model that never is done; `asked` resolves when it is at work. */
  function hanging() {
    const asked = Promise.withResolvers<void>();
    const reader: PageReader = {
      count: async () => ({ tokens: 400, basis: 'tokenizer' }),
      read: (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Aborted('the model call was stopped')));
          asked.resolve();
        }),
    };
    return { reader, asked: asked.promise };
  }

  it.each(['its own limit', 'the limit of the call'])(
    'waits for the model no longer than %s, and counts what that may have cost',
    async (limit) => {
      const late = new AbortController();
      const { reader, asked } = hanging();
      const { readings } = readingsWith({ reader, readMs: limit === 'its own limit' ? 50 : 60_000 });
      const choosing = readings.choose(opened, goal, fitting, late.signal);
      await asked;
      if (limit === 'the limit of the call') late.abort();
      const because = expect.stringMatching(/not done with it in time/);
      expect(await choosing).toMatchObject({ chosen: { by: 'words', because } });
      const most = { promptTokens: 400, cachedTokens: 0, completionTokens: 100, estimated: true };
      expect(readings.usage).toEqual({ calls: 1, ...most });
    },
  );

  it('costs nothing where the time is over before the model is asked', async () => {
    const { readings } = readingsWith({ reader: hanging().reader });
    const { chosen } = await readings.choose(opened, goal, fitting, AbortSignal.abort());
    expect(chosen).toMatchObject({ by: 'words' });
    expect(readings.usage).toBeUndefined();
  });

  it('stops with its call', async () => {
    const stop = new AbortController();
    const { reader, asked } = hanging();
    const context = { ...contextWith({}), reading: grant, signal: stop.signal };
    const choosing = new Readings({ reader, onFault: () => {} }, context).choose(opened, goal, fitting, never);
    await asked;
    stop.abort();
    await expect(choosing).rejects.toThrow(Aborted);
  });

  describe('of a long page', () => {
    const long = pageOf(Array.from({ length: 60 }, (_, n) => `Part ${n}. ${'Locks last. '.repeat(30)}`));
    /** Best in the middle: 20 and 21 side by side, then 40. */
    const fittingLong = long.fitting.map((span, n) => ({
      ...span,
      score: n === 20 ? 9 : n === 21 ? 8 : n === 40 ? 7 : 1 / (n + 2),
    }));

    it.each([
      ['estimate', 0.25, 1.5],
      ['tokenizer', 0.25, 1],
      ['tokenizer', 0.6, 1],
    ])(
      'shows the parts that fit best, in order, within what a prompt may have (%s, %d)',
      async (basis, perCharacter, doubt) => {
        const reader = new Reader(['x'], basis, perCharacter);
        const { readings } = readingsWith({ reader }, { promptTokens: 1_000 });
        await readings.choose(long.opened, goal, fittingLong, never);
        const [{ parts } = { parts: [] }] = reader.asked;
        expect(parts.length).toBeGreaterThanOrEqual(2);
        expect((await reader.count({ ...reader.asked[0], parts } as PageReading)).tokens * doubt).toBeLessThanOrEqual(
          1_000,
        );
        expect(parts.find((part) => part.startsWith('Part 20. '))).toContain('\n\nPart 21. ');
        for (const part of parts) expect(long.opened.page.text).toContain(part);
        const places = parts.map((part) => long.opened.page.text.indexOf(part));
        expect(places).toEqual(places.toSorted((a, b) => a - b));
      },
    );

    it('does not ask where not even little of it fits', async () => {
      const reader = new Reader(['x'], 'tokenizer', 100);
      const { readings } = readingsWith({ reader }, { promptTokens: 1_000 });
      const { chosen } = await readings.choose(long.opened, goal, fittingLong, never);
      expect(chosen).toMatchObject({ by: 'words', because: expect.stringMatching(/could not be cut/) });
      expect(reader.asked).toEqual([]);
    });
  });
});
