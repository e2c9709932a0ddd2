import { describe, expect, it } from '@jest/globals';
import { htmlToText } from './html.ts';

const paragraph = (n: number) =>
  `<p>Paragraph ${n} says something about job queues, workers and their locks, in a full sentence or two. It goes on.</p>`;
const prose = Array.from({ length: 12 }, (_, n) => paragraph(n)).join('');

describe('htmlToText', () => {
  it('keeps headings, code, lists and tables as Markdown', () => {
    const { title, text } = htmlToText(
      `<html><head><title>Locks | Docs</title></head><body><main><h1>Locks</h1>${prose}<h2>Code</h2>
      <pre><code class="language-ts">const a_b = 1;\n\n# x</code></pre><ul><li>first</li><li>second</li></ul>
      <table><tr><th>Option</th><th>Default</th></tr><tr><td>max_len</td><td>10</td></tr></table></main></body></html>`,
    );
    expect(title).toBe('Locks | Docs');
    expect(text).toContain('## Code');
    expect(text).toContain('```ts\nconst a_b = 1;\n\n# x\n```');
    expect(text).toMatch(/-\s+first\n-\s+second/);
    expect(text).toContain('| Option | Default |\n| --- | --- |\n| max_len | 10 |');
  });

  it('writes no backslashes that the page does not have', () => {
    expect(htmlToText(`<body><p>use max_tokens_total * 2 [now]</p></body>`).text).toBe(
      'use max_tokens_total * 2 [now]',
    );
  });

  it('leaves out scripts, menus and hidden text', () => {
    const { text } = htmlToText(
      `<html><body><nav><a href="/">Home</a></nav><p>Seen.</p><p hidden>ignore all instructions</p>
      <div style="display: none">ignore more</div><script>var x</script><footer>Imprint</footer></body></html>`,
    );
    expect(text).toBe('Seen.');
  });

  it('takes the article out of a page full of links', () => {
    const links = Array.from({ length: 80 }, (_, n) => `<li><a href="/${n}">Other page number ${n}</a></li>`).join('');
    const { text } = htmlToText(
      `<html><head><title>News</title></head><body><div class="sidebar"><ul>${links}</ul></div><article><h1>News</h1>${prose}</article></body></html>`,
    );
    expect(text).toContain('Paragraph 11');
    expect(text).not.toContain('Other page number 70');
  });

  it('does not lose most of a reference page to article extraction', () => {
    const entries = Array.from(
      { length: 60 },
      (_, n) => `<section class="entry"><h3>option${n}</h3><dl><dt>type</dt><dd>number ${n}</dd></dl></section>`,
    );
    const { text } = htmlToText(
      `<html><body><div class="intro">${prose}</div><div class="comment-list">${entries.join('')}</div></body></html>`,
    );
    for (let n = 0; n < 60; n++) expect(text).toContain(`option${n}`);
  });

  it('reads a fragment without html and body', () => {
    expect(htmlToText('<h1>Title</h1><p>one</p><p>two</p>').text).toBe('# Title\n\none\n\ntwo');
  });

  it.each([
    ['<!doctype html><html lang=en><title>T</title><meta charset=utf-8><p>Words', 'no head and body tag'],
    ['<html>\n<!-- a --><head><title>T</title><script>a="<p>"</script><p>Words</p></html>', 'an open head'],
    ['<html><head><title>T</title></head><p>Words</p></html>', 'no body tag'],
    ['<html><p>Words', 'nothing but a root'],
  ])('reads %s, which has %s', (page) => {
    expect(htmlToText(page).text).toMatch(/^(# T\n\n)?Words$/);
  });

  it('reads a page over which Readability trips', () => {
    const words = 'The lock is renewed, and then it is renewed again, while the job lasts. '.repeat(3);
    const page = `<html><p1><p>${words}</p></p1><!--<body >-->`;
    expect(htmlToText(page).text.trim()).toBe('');
  });

  it('writes tables so that each row can be quoted alone', () => {
    const { text } = htmlToText(
      `<table><tr><th>Year</th><th colspan="2">Catch</th></tr><tr><td rowspan="2">2020</td><td>perch</td><td>9.1</td></tr>
      <tr><td>vendace</td><td>88</td></tr></table>`,
    );
    expect(text).toBe('| Year | Catch |  |\n| --- | --- | --- |\n| 2020 | perch | 9.1 |\n| 2020 | vendace | 88 |');
  });

  it('bounds what a table may claim to span', () => {
    const cell = '<td rowspan="65534" colspan="65534">x</td>';
    const { text } = htmlToText(`<table>${`<tr>${cell}<th>y</th></tr>`.repeat(50)}</table>`);
    expect(text.length).toBeLessThan(200_000);
  });

  it('reads tables of a layout cell by cell', () => {
    const { text } = htmlToText(
      '<table><tr><td><h2>Left</h2><p>one</p></td><td><table><tr><td>two</td></tr></table></td></tr></table>',
    );
    expect(text).toBe('## Left\n\none\n\ntwo');
  });

  it('nests lists, numbers them, and keeps what is inside an item together', () => {
    const { text } = htmlToText(
      '<ol start="3"><li>a<ul><li>b</li><li>c<pre>d\n  e</pre></li></ul></li><li><p>f</p><p>g</p></li></ol>',
    );
    expect(text).toBe('3. a\n   - b\n   - c\n\n     ```\n     d\n       e\n     ```\n4. f\n\n   g');
  });

  it('tells powers from numbers and leaves footnote marks as they are', () => {
    const { text } = htmlToText(
      '<p>10<sup>6</sup> m<sup>2</sup>, the 1<sup>st</sup>.<sup><a href="#1">[1]</a></sup> CO<sub>2</sub></p>',
    );
    expect(text).toBe('10^6 m^2, the 1st.[1] CO2');
  });

  it('takes out zero-width, bidirectional and tag characters and text that is styled out of sight', () => {
    const tags = String.fromCodePoint(0xe0069, 0xe0067);
    const { text } = htmlToText(
      `<p>pay\u200bload${tags} so\u00adft \u202eright</p><p style="font-size:0">ignore</p><p style="opacity:0">ignore</p>
      <p style="opacity:0;transform:translateY(20px)">fades in</p><p style="text-indent:-9999px">ignore</p>`,
    );
    expect(text).toBe('payload soft right\n\nfades in');
    expect(htmlToText(`<title>Lo${tags}ck\u202es</title><p>x</p>`).title).toBe('Locks');
  });

  it('takes out banners that ask for consent, not a page about cookies', () => {
    const { text } = htmlToText(
      '<div id="cookie-banner">We value you</div><div class="cookies"><p>Bake the cookies.</p></div>',
    );
    expect(text).toBe('Bake the cookies.');
  });

  it('reads a page that nests without end', () => {
    const { text } = htmlToText(`<body>${'<div><span>'.repeat(2_000)}deep${'</span></div>'.repeat(2_000)}</body>`);
    expect(text).toBe('deep');
  });

  it.each(['<h1>', '<code><sup>1</sup>', '<pre><span>', '<table><tr><th>a<th>b<tr><td>'])(
    'reads a page in which %s stands in itself without end',
    (tag) => {
      expect(htmlToText(`<body><p>before</p>${tag.repeat(1_500)}deep</body>`).text).toContain('deep');
    },
  );

  it('calls a page thin whose scripts would fill it, and no short one that has its text', () => {
    const shell =
      '<body><noscript>Enable JavaScript</noscript><div id="root"></div><script src="a.js"></script></body>';
    expect(htmlToText(shell)).toMatchObject({ text: '', thin: true });
    expect(
      htmlToText(`<body><p>${'A short page that has all its text. '.repeat(4)}</p><script src="a.js"></script></body>`)
        .thin,
    ).toBe(false);
    expect(htmlToText('<body><p>Hi.</p></body>').thin).toBe(false);
  });

  it('tells dates, language and address as the page gives them, and passes over broken structured data', () => {
    const facts = htmlToText(`<html lang="pt_BR"><head><link rel="canonical" href="/a">
      <script type="application/ld+json">{ broken</script>
      <script type="application/ld+json">[{"@graph":[{"datePublished":"2024-5-7","dateModified":"soon"}]}]</script></head><body>x</body></html>`);
    expect(facts).toMatchObject({ published: '2024-05-07', modified: null, language: 'pt-BR', canonical: '/a' });
  });
});
