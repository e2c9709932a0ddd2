import { describe, expect, it } from '@jest/globals';
import { answerParts } from './answer-parts.ts';

const cite = (source: string, quote: string) => `<cite source="${source}">${quote}</cite>`;
const shape = (answer: string) =>
  answerParts(answer).map(({ text, claim, citations }) => [
    text.trim(),
    claim,
    citations.map((c) => `${c.source}=${c.quote}`).join('|'),
  ]);

describe('answerParts: claims and their citations', () => {
  it('gives each sentence the quotes that follow it', () => {
    expect(
      shape(`Paris is old. ${cite('s1', 'old town')} It is large.${cite('s2', 'big')}${cite('s1', 'huge')}`),
    ).toEqual([
      ['Paris is old.', true, 's1=old town'],
      ['It is large.', true, 's2=big|s1=huge'],
    ]);
  });

  it('leaves an uncited sentence a claim of its own instead of lending it the next quote', () => {
    expect(shape(`Nobody proved this. This one is proven. ${cite('s1', 'proof')}`)).toEqual([
      ['Nobody proved this.', true, ''],
      ['This one is proven.', true, 's1=proof'],
    ]);
  });

  it('cuts a sentence at quotes in its middle', () => {
    expect(shape(`Born in 1950 ${cite('s1', 'b. 1950')}, and died in 2000 ${cite('s2', 'd. 2000')}.`)).toEqual([
      ['Born in 1950,', true, 's1=b. 1950'],
      ['and died in 2000.', true, 's2=d. 2000'],
    ]);
  });

  it('takes a full stop behind the quote to the sentence before it, in Chinese too', () => {
    expect(shape(`It rains ${cite('s1', 'rain')}. 巴黎很大${cite('s2', '大')}。里昂小。`)).toEqual([
      ['It rains.', true, 's1=rain'],
      ['巴黎很大。', true, 's2=大'],
      ['里昂小。', true, ''],
    ]);
  });

  it('finds the sentence of a quote that stands on a line of its own', () => {
    expect(shape(`It rains.\n${cite('s1', 'rain')}\n\nIt snows.`)).toEqual([
      ['It rains.', true, 's1=rain'],
      ['It snows.', true, ''],
    ]);
  });

  it('keeps the line breaks of a quote and drops the quotation marks put around it', () => {
    expect(shape(`A.${cite('s1', 'one\ntwo')} B.${cite('s2', ' "three" ')}`)).toEqual([
      ['A.', true, 's1=one\ntwo'],
      ['B.', true, 's2=three'],
    ]);
  });

  it('reads single quotes and spaces in the tag', () => {
    expect(shape(`A.<cite  source = 's12' >q</cite>`)).toEqual([['A.', true, 's12=q']]);
  });

  it('drops a tag without source or quote and keeps its sentence uncited', () => {
    expect(shape('A.<cite>q</cite> B.<cite source="s1"> </cite>')).toEqual([
      ['A.', true, ''],
      ['B.', true, ''],
    ]);
  });

  it('takes the rest of the line as the quote of a tag that is never closed', () => {
    expect(shape(`A. <cite source="s1">cut of\nB. ${cite('s2', 'whole')}`)).toEqual([
      ['A.', true, 's1=cut of'],
      ['B.', true, 's2=whole'],
    ]);
  });

  it('drops a quote before which nothing was said', () => {
    expect(shape(`${cite('s1', 'q')} A.`)).toEqual([['A.', true, '']]);
  });
});

describe('answerParts: what is no claim', () => {
  it.each([
    ['a heading', '## Results. All of them'],
    ['a rule', '---'],
    ['a leading label', 'Summary:'],
    ['a label in bold', '**Key findings:**'],
    ['the lead of a list', 'The main causes:'],
  ])('%s', (_, line) => {
    expect(shape(`${line}\n\nIt rains.`)).toEqual([
      [line, false, ''],
      ['It rains.', true, ''],
    ]);
  });

  it('cuts a label from the sentence behind it', () => {
    expect(shape('**Summary:** It rains. It snows.')).toEqual([
      ['**Summary:**', false, ''],
      ['It rains.', true, ''],
      ['It snows.', true, ''],
    ]);
  });

  it('takes each row of a table as a claim, its head and rule not', () => {
    expect(shape(`| City | People |\n|---|---|\n| Paris | 2 M ${cite('s1', '2 million')} |\n| Lyon | 0.5 M |`)).toEqual(
      [
        ['| City | People |', false, ''],
        ['|---|---|', false, ''],
        ['| Paris | 2 M |', true, 's1=2 million'],
        ['| Lyon | 0.5 M |', true, ''],
      ],
    );
  });

  it('a heading that carries a quote is a claim after all', () => {
    expect(shape(`## Paris is large ${cite('s1', 'large')}`)).toEqual([['## Paris is large', true, 's1=large']]);
  });

  it('gives nothing for white space or tags alone', () => {
    expect(answerParts(' \n ')).toEqual([]);
    expect(answerParts(cite('s1', 'q'))).toEqual([]);
  });
});

describe('answerParts: borders of sentences', () => {
  it.each([
    ['numbers, versions and URLs', 'Node 24.1 is at https://nodejs.org/en?x=1 since 3.5 years.'],
    ['titles and initials', 'Dr. Smith met J. R. Miller.'],
    ['abbreviations before capitals', 'Some tools, e.g. Redis, are fast.'],
    ['numbered references', 'See Fig. 3 of it.'],
    ['code', 'Call `app.register(a). Then` first.'],
    ['a wrapped line', 'This is one\nsentence over lines.'],
    ['an ordered item', '1. First thing.'],
  ])('none within %s', (_, sentence) => {
    expect(shape(`${sentence} Next one.`)).toEqual([
      [sentence, true, ''],
      ['Next one.', true, ''],
    ]);
  });

  it('one behind a sentence in bold', () => {
    expect(shape('**It rains.** It snows.').map(([text]) => text)).toEqual(['**It rains.**', 'It snows.']);
  });

  it('one between items of a list', () => {
    expect(shape('- one\n- two\n  more of two\n* three').map(([text]) => text)).toEqual([
      '- one',
      '- two\n  more of two',
      '* three',
    ]);
  });

  it('none within a code block, which ends with its line break', () => {
    const code = '```js\na. B. C.\n\n# not a heading\n```';
    expect(answerParts(`Run:\n\n${code}\n${cite('s1', 'a. B.')}`)).toEqual([
      { text: 'Run:', claim: false, citations: [] },
      { text: `\n\n${code}\n`, claim: true, citations: [{ source: 's1', quote: 'a. B.' }] },
    ]);
  });
});

it('gives parts that join to the answer without its tags', () => {
  const answer = `# T\n\nSummary: A is b. ${cite('s1', 'x')} C, d.\n\n1. E.g. this ${cite('s2', 'y')}; and that.\n2. F!\n\n> G?\n\n| h | i |\n|--|--|\n| j | k |\n\n---\nEnd`;
  const joined = answerParts(answer)
    .map((part) => part.text)
    .join('');
  expect(joined).toBe(
    '# T\n\nSummary: A is b. C, d.\n\n1. E.g. this; and that.\n2. F!\n\n> G?\n\n| h | i |\n|--|--|\n| j | k |\n\n---\nEnd',
  );
});
