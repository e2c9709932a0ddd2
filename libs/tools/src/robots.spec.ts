import { describe, expect, it } from '@jest/globals';
import { allowsRobot, parseRobots } from './robots.ts';

const allows = (text: string, path: string) => allowsRobot(parseRobots(text, 'Argosy'), path);
const rules = (...lines: string[]) => ['User-agent: *', ...lines].join('\n');

describe('robots.txt', () => {
  it('forbids nothing when it is empty, says nothing to us, or is a page', () => {
    for (const text of ['', 'Sitemap: https://a.example/s.xml', '<!doctype html><p>Disallow: /</p>', 'Disallow: /'])
      expect(allows(text, '/a')).toBe(true);
  });

  it('lets our own group take the place of everybody`s, all groups of ours together', () => {
    const text =
      'User-agent: *\nDisallow: /\n\nUser-agent: argosy/9.0\nUser-agent: other\nDisallow: /x\n\nuser-agent:ARGOSY\nDisallow: /y';
    expect(['/', '/x', '/y', '/z'].map((path) => allows(text, path))).toEqual([true, false, false, true]);
  });

  it('takes no robot for us whose name only begins like ours', () => {
    expect(allows('User-agent: argosy-images\nDisallow: /', '/a')).toBe(true);
    expect(allows('User-agent: arg\nDisallow: /', '/a')).toBe(true);
  });

  it.each([
    ['the longest rule decides', ['Disallow: /a', 'Allow: /a/b'], '/a/b/c', true],
    ['of two as long the one that allows', ['Disallow: /a', 'Allow: /a'], '/a', true],
    ['a rule is a prefix', ['Disallow: /fish'], '/fishheads?x=1', false],
    ['case counts in paths', ['Disallow: /Fish'], '/fish', true],
    ['* stands for anything', ['Disallow: /*/private*.pdf'], '/x/y/private/a.pdf', false],
    ['$ is the end', ['Disallow: /*.php$'], '/a.php?b', true],
    ['$ is the end', ['Disallow: /*.php$'], '/a.php', false],
    ['$ without * is the whole path', ['Disallow: /a$'], '/a', false],
    ['$ without * is the whole path', ['Disallow: /a$'], '/ab', true],
    ['parts of a pattern do not overlap', ['Disallow: /ab*ba$'], '/aba', true],
    ['an empty rule says nothing', ['Disallow:'], '/a', true],
    ['escapes are compared as what they stand for', ['Disallow: /caf%C3%A9/%7Ea'], '/café/~a', false],
    ['an escaped slash is no slash', ['Disallow: /a%2Fb'], '/a/b', true],
    ['comments are none of the path', ['Disallow: /a # not for you'], '/a', false],
    ['queries count', ['Disallow: /*?session='], '/a?session=1', false],
    ['robots.txt itself is always open', ['Disallow: /'], '/robots.txt', true],
  ])('%s', (_, lines, path, expected) => {
    expect(allows(rules(...lines), path)).toBe(expected);
  });

  it('reads any line ending, a byte order mark, and lines between that it does not know', () => {
    expect(allows('\ufeffUser-agent: *\rNoindex: /\rDisallow: /a\r\n', '/a')).toBe(false);
    expect(allows('User-agent: x\nSitemap: /s\nUser-agent: *\nDisallow: /a', '/a')).toBe(false);
  });

  it('tells the delay that it asks for', () => {
    expect(parseRobots(rules('Crawl-delay: 2.5'), 'Argosy').delaySeconds).toBe(2.5);
    expect(parseRobots(rules('Crawl-delay: soon'), 'Argosy').delaySeconds).toBe(0);
  });

  it('is no way to spend our time', () => {
    const text = rules(`Disallow: /${'*a'.repeat(5_000)}$`);
    expect(allows(text, `/${'a'.repeat(4_000)}`)).toBe(true);
  });
});
