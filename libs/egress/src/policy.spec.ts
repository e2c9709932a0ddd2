import { describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { EgressBlocked, EgressFault } from './faults.ts';
import { compilePolicy, parseAllow, vetAnswers, vetUrl } from './policy.ts';

const policy = compilePolicy({ allow: [], deny: ['10.96.0.0/12', '54.0.0.0/8', '2a00:1::/32'], ports: [80, 443] });

/** The fault of fetching a URL whose host is an address literal. */
function judgeLiteral(url: string): unknown {
  return faultOf(() => {
    const { host, port } = vetUrl(url, policy);
    vetAnswers({ host, port }, [host], policy);
  });
}

function faultOf(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('addresses that may not be dialled, as literals in a URL', () => {
  it.each([
    ['loopback', '127.0.0.1'],
    ['loopback, far end of its /8', '127.255.255.254'],
    ['loopback with a trailing dot', '127.0.0.1.'],
    ['loopback in hex', '0x7f000001'],
    ['loopback in hex octets', '0x7f.0x0.0x0.0x1'],
    ['loopback in octal', '0177.0.0.1'],
    ['loopback in one octal number', '017700000001'],
    ['loopback in decimal', '2130706433'],
    ['loopback in short form', '127.1'],
    ['loopback in short form of three', '127.0.1'],
    ['loopback in full-width digits', '１２７.０.０.１'],
    ['loopback in circled digits', '①②⑦.⓪.⓪.①'],
    ['loopback with ideographic dots', '127。0。0。1'],
    ['loopback percent-encoded', '%31%32%37.0.0.1'],
    ['unspecified', '0.0.0.0'],
    ['unspecified as a bare zero', '0'],
    ['this network', '0.1.2.3'],
    ['private 10/8', '10.0.0.1'],
    ['private 172.16/12', '172.16.0.1'],
    ['private 172.16/12, far end', '172.31.255.255'],
    ['private 192.168/16', '192.168.1.1'],
    ['carrier-grade NAT', '100.64.0.1'],
    ['Alibaba metadata', '100.100.100.200'],
    ['link-local', '169.254.1.1'],
    ['AWS, GCP, Azure metadata', '169.254.169.254'],
    ['AWS container credentials', '169.254.170.2'],
    ['Azure wire server', '168.63.129.16'],
    ['Oracle metadata', '192.0.0.192'],
    ['documentation 1', '192.0.2.1'],
    ['documentation 2', '198.51.100.1'],
    ['documentation 3', '203.0.113.1'],
    ['benchmarking', '198.18.0.1'],
    ['benchmarking, second half', '198.19.255.255'],
    ['6to4 relay anycast', '192.88.99.1'],
    ['multicast', '224.0.0.1'],
    ['multicast, far end', '239.255.255.255'],
    ['reserved', '240.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['v6 loopback', '[::1]'],
    ['v6 loopback spelled out', '[0:0:0:0:0:0:0:1]'],
    ['v6 unspecified', '[::]'],
    ['v4-compatible loopback', '[::127.0.0.1]'],
    ['mapped loopback', '[::ffff:127.0.0.1]'],
    ['mapped metadata in hex', '[::ffff:a9fe:a9fe]'],
    ['mapped public', '[::ffff:8.8.8.8]'],
    ['translated (RFC 6145) loopback', '[::ffff:0:127.0.0.1]'],
    ['NAT64 of loopback', '[64:ff9b::127.0.0.1]'],
    ['NAT64 of metadata', '[64:ff9b::a9fe:a9fe]'],
    ['local-use NAT64', '[64:ff9b:1::7f00:1]'],
    ['6to4 of loopback', '[2002:7f00:1::]'],
    ['6to4 of a private address', '[2002:c0a8:101::1]'],
    ['Teredo of loopback', '[2001:0:7f00:1::80ff:fffe]'],
    ['ISATAP of a private address under a public prefix', '[2a01:4f8::5efe:10.0.0.1]'],
    ['v6 link-local', '[fe80::1]'],
    ['v6 unique local', '[fd12:3456:789a::1]'],
    ['v6 unique local fc00', '[fc00::1]'],
    ['AWS metadata over v6', '[fd00:ec2::254]'],
    ['GCP metadata over v6', '[fd20:ce::254]'],
    ['v6 site-local', '[fec0::1]'],
    ['v6 multicast', '[ff02::1]'],
    ['v6 documentation', '[2001:db8::1]'],
    ['v6 documentation, new', '[3fff::1]'],
    ['v6 benchmarking', '[2001:2::1]'],
    ['v6 discard', '[100::1]'],
    ['v6 ORCHID', '[2001:20::1]'],
    ['v6 outside the global allocation', '[4000::1]'],
    ['range denied by the operator', '54.1.2.3'],
    ['v6 range denied by the operator', '[2a00:1::5]'],
  ])('refuses %s: %s', (_, host) => {
    const fault = judgeLiteral(`http://${host}/`);
    expect(fault).toBeInstanceOf(EgressBlocked);
  });

  it.each(['8.8.8.8', '1.1.1.1', '172.32.0.1', '172.15.255.255', '100.128.0.1', '168.63.129.17', '126.255.255.255'])(
    'lets public %s pass',
    (host) => {
      expect(judgeLiteral(`http://${host}/`)).toBeUndefined();
    },
  );

  it.each(['[2001:4860:4860::8888]', '[2606:4700:4700::1111]', '[2a01:4f8::1]'])('lets public %s pass', (host) => {
    expect(judgeLiteral(`https://${host}/`)).toBeUndefined();
  });
});

describe('answers of a resolver', () => {
  const target = { host: 'shop.example', port: 443 };

  it('refuses a host when only one of its answers is private', () => {
    expect(() => vetAnswers(target, ['93.184.216.34', '10.0.0.7'], policy)).toThrow(EgressBlocked);
  });

  it.each(['0x7f.1', '2130706433', '127.1', 'localhost', '', '::ffff:127.0.0.1', 'fe80::1%lo', '::7f00:1'])(
    'refuses the answer "%s"',
    (answer) => {
      expect(() => vetAnswers(target, [answer], policy)).toThrow(EgressBlocked);
    },
  );

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
    ['file', 'file:///etc/passwd'],
    ['ftp', 'ftp://example.com/'],
    ['gopher', 'gopher://example.com:80/'],
    ['data', 'data:text/plain,hi'],
    ['javascript', 'javascript:alert(1)'],
    ['user name', 'http://admin@example.com/'],
    ['password only', 'http://:secret@example.com/'],
    ['a host that is really user info', 'http://example.com:80@127.0.0.1/'],
    ['port 22', 'http://example.com:22/'],
    ['port 6379', 'https://example.com:6379/'],
    ['port 8080', 'http://example.com:8080/'],
    ['port 0', 'http://example.com:0/'],
    ['empty labels', 'http://example.com../'],
  ])('refuses %s', (_, url) => {
    expect(() => vetUrl(url, policy)).toThrow(EgressBlocked);
  });

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
