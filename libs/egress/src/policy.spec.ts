import { describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { EgressBlocked, EgressFault } from './faults.ts';
import { compilePolicy, parseAllow, parseDeny, vetAnswers, vetUrl } from './policy.ts';

const policy = compilePolicy({ allow: [], deny: [], ports: [80, 443] });

function faultOf(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('answers of a resolver', () => {
  const target = { host: 'shop.example', port: 443 };

  it('hands back canonical spellings in order', () => {
    const answers = ['2606:4700:4700:0:0:0:0:1111', '1.1.1.1'];
    expect(vetAnswers(target, answers, policy)).toEqual(['2606:4700:4700::1111', '1.1.1.1']);
  });

  it('tells the address to the audit log and to nobody else', () => {
    const fault = faultOf(() => vetAnswers(target, ['10.11.12.13'], policy));
    if (!(fault instanceof EgressBlocked)) throw new Error('not blocked');
    expect(fault.detail).toContain('10.11.12.13');
    expect(`${fault.message} ${JSON.stringify(fault)}`).not.toContain('10.11');
    expect(fault).toMatchObject({ code: 'egress_blocked', retryable: false, kind: 'blocked' });
  });

  it('says the same of every private address', () => {
    const messages = ['10.0.0.1', '169.254.169.254', '::1'].map((answer) =>
      String(faultOf(() => vetAnswers(target, [answer], policy))),
    );
    expect(new Set(messages).size).toBe(1);
  });
});

describe('URLs', () => {
  it.each([
    '',
    'example.com',
    '//example.com',
    'http://',
    'http://exa mple.com/',
    `http://a.example/${'x'.repeat(9000)}`,
  ])('calls %p invalid', (url) => {
    const fault = faultOf(() => vetUrl(url, policy));
    expect(fault).toBeInstanceOf(EgressFault);
    expect(fault).toMatchObject({ kind: 'invalid', retryable: false });
  });

  it('takes off the trailing dot, the fragment and the default port, and lowers the host', () => {
    const vetted = vetUrl('HTTPS://Example.COM.:443/a?b#c', policy);
    expect(vetted).toMatchObject({ host: 'example.com', port: 443, exempt: false });
    expect(vetted.url.href).toBe('https://example.com/a?b');
  });
});

describe('the deny list', () => {
  it('reads ranges and blanks, and none', () => {
    expect(parseDeny(' 93.184.216.0/24,2606:2800::/32 ,')).toEqual(['93.184.216.0/24', '2606:2800::/32']);
    expect(parseDeny('')).toEqual([]);
  });

  it('names every bad entry and its setting', () => {
    const bad = ['10.0.0.0', 'a/8', '10.0.0.0/33', '::1/129'];
    const fault = faultOf(() => parseDeny(['10.0.0.0/8', ...bad].join(',')));
    if (!(fault instanceof InvalidInput)) throw new Error('not refused');
    expect(fault.problems.map(({ path, message }) => [path, message.split('"')[1]])).toEqual(
      bad.map((entry) => ['ARGOSY_EGRESS_DENY', entry]),
    );
  });

  it('closes public addresses', () => {
    const closed = compilePolicy({ allow: [], deny: parseDeny('93.184.216.0/24'), ports: [80, 443] });
    expect(() => vetAnswers({ host: 'a.example', port: 443 }, ['93.184.216.34'], closed)).toThrow(EgressBlocked);
    expect(vetAnswers({ host: 'a.example', port: 443 }, ['93.184.217.34'], closed)).toEqual(['93.184.217.34']);
  });
});

describe('the allow list', () => {
  const allow = parseAllow('Search.Internal:8080, [FD00:0::5]:9200,127.0.0.1:3000');
  const open = compilePolicy({ allow, deny: ['10.0.0.0/8'], ports: [80, 443] });

  it('reads hosts, brackets and blanks into canonical targets', () => {
    expect(allow).toEqual([
      { host: 'search.internal', port: 8080 },
      { host: 'fd00::5', port: 9200 },
      { host: '127.0.0.1', port: 3000 },
    ]);
    expect(parseAllow('')).toEqual([]);
  });

  it('names every bad entry', () => {
    const bad = ['nohost', ':80', 'a:0', 'a:70000', 'http://a:80', '::1:80', '[::1]', 'a/b:80', '[zz]:80', 'u@a:80'];
    const fault = faultOf(() => parseAllow(['fine:80', ...bad].join(',')));
    if (!(fault instanceof InvalidInput)) throw new Error('not refused');
    expect(fault.problems.map((problem) => problem.message.split('"')[1])).toEqual(bad);
  });

  it('opens the named host on the named port, whatever its address', () => {
    expect(vetUrl('http://search.internal:8080/q', open).exempt).toBe(true);
    expect(vetAnswers({ host: 'search.internal', port: 8080 }, ['10.0.0.9'], open)).toEqual(['10.0.0.9']);
    expect(vetUrl('http://[fd00::0:5]:9200/', open).exempt).toBe(true);
  });

  it.each(['http://search.internal:8081/', 'http://x.search.internal:8080/', 'http://127.0.0.2:3000/'])(
    'opens nothing else: %s',
    (url) => {
      expect(() => vetUrl(url, open)).toThrow(EgressBlocked);
    },
  );

  it('does not open the address for other names or ports', () => {
    expect(() => vetAnswers({ host: 'search.internal', port: 80 }, ['10.0.0.9'], open)).toThrow(EgressBlocked);
    expect(() => vetAnswers({ host: 'evil.example', port: 8080 }, ['10.0.0.9'], open)).toThrow(EgressBlocked);
  });

  it('names a deny range that cannot be read', () => {
    const broken = () => compilePolicy({ allow: [], deny: ['10.0.0.0/8', '10.0.0.0/99', 'pods'], ports: [80] });
    expect(broken).toThrow(InvalidInput);
    expect(broken).toThrow(/10\.0\.0\.0\/99.*\n.*pods/);
  });
});
