/**
 * Replies in the shapes that the providers document, with made-up contents, and fields beyond those that are read: an
 * answer that grows must still be understood. Where each shape is from stands above it.
 */

/** docs.searxng.org/dev/search_api (format=json), field names as in searx/result_types. */
export const searxngReply = {
  query: 'renew lock',
  number_of_results: 0,
  results: [
    {
      url: 'https://Docs.example.org/locks?utm_source=s#renew',
      title: 'Locks &amp; leases',
      content: 'A worker <em>renews</em> its lock.',
      publishedDate: '2024-05-17T10:00:00',
      engine: 'wikipedia',
      engines: ['wikipedia', 'bing'],
      positions: [1, 2],
      score: 4.0,
      category: 'general',
      thumbnail: null,
    },
    { url: 'https://example.org/b', title: 'B', publishedDate: null, engine: 'bing', template: 'default.html' },
    { url: 'magnet:?xt=urn:btih:0', title: 'A torrent', content: '', engine: 'x' },
  ],
  answers: [],
  corrections: [],
  infoboxes: [],
  suggestions: ['lease'],
  unresponsive_engines: [['google', 'access denied']],
};

/** api-dashboard.search.brave.com/app/documentation/web-search/responses. */
export const braveReply = {
  type: 'search',
  query: { original: 'renew lock', more_results_available: true },
  mixed: { type: 'mixed', main: [{ type: 'web', index: 0, all: false }] },
  web: {
    type: 'search',
    family_friendly: true,
    results: [
      {
        type: 'search_result',
        title: 'Locks',
        url: 'https://docs.example.org/locks',
        description: 'A worker <strong>renews</strong> its lock.',
        age: 'May 17, 2024',
        page_age: '2024-05-17T10:00:00',
        language: 'en',
        meta_url: { scheme: 'https', netloc: 'docs.example.org', hostname: 'docs.example.org', path: '› locks' },
      },
      { type: 'search_result', title: 'B', url: 'https://example.org/b', description: 'No date.' },
    ],
  },
};

/** docs.tavily.com/documentation/api-reference/endpoint/search. */
export const tavilyReply = {
  query: 'renew lock',
  answer: null,
  images: [],
  results: [
    {
      title: 'Locks',
      url: 'https://docs.example.org/locks',
      content: 'A worker renews its lock.',
      score: 0.81,
      raw_content: null,
      published_date: 'Fri, 17 May 2024 10:00:00 GMT',
      favicon: 'https://docs.example.org/favicon.ico',
    },
    { title: 'B', url: 'https://example.org/b', content: 'No date.', score: 0.5, raw_content: null },
  ],
  response_time: '1.67',
  request_id: '123e4567-e89b-12d3-a456-426614174111',
};

/** The example of serper.dev/playground. */
export const serperReply = {
  searchParameters: { q: 'renew lock', type: 'search', num: 10, engine: 'google' },
  knowledgeGraph: { title: 'Lock', type: 'Mechanism' },
  organic: [
    {
      title: 'Locks',
      link: 'https://docs.example.org/locks',
      snippet: 'A worker renews its lock.',
      date: 'May 17, 2024',
      position: 1,
      sitelinks: [{ title: 'Leases', link: 'https://docs.example.org/leases' }],
    },
    { title: 'B', link: 'https://example.org/b', snippet: 'Fresh.', date: '3 days ago', position: 2 },
  ],
  peopleAlsoAsk: [],
  relatedSearches: [{ query: 'lease' }],
  credits: 1,
};

/** docs.exa.ai/reference/search. */
export const exaReply = {
  requestId: 'b5947044c4b78efa9552a7c89b306d95',
  resolvedSearchType: 'neural',
  results: [
    {
      id: 'https://docs.example.org/locks',
      title: 'Locks',
      url: 'https://docs.example.org/locks',
      publishedDate: '2024-05-17T00:00:00.000Z',
      author: 'A. Writer',
      highlights: ['A worker renews its lock.', 'The lock ends by itself.'],
      highlightScores: [0.46, 0.3],
    },
    { id: 'https://example.org/b', title: null, url: 'https://example.org/b', publishedDate: null },
  ],
  costDollars: { total: 0.005 },
};

/** mediawiki.org/wiki/API:Search and API:Siteinfo, formatversion=2. */
export const mediawikiReply = {
  batchcomplete: true,
  continue: { sroffset: 2, continue: '-||' },
  query: {
    general: { sitename: 'Wiki', server: '//wiki.example', articlepath: '/wiki/$1', lang: 'en' },
    searchinfo: { totalhits: 23 },
    search: [
      {
        ns: 0,
        title: 'AC/DC: Łódź & 気?',
        pageid: 1,
        snippet: 'a <span class="searchmatch">lock</span> &quot;x&quot; &#039;y&#039;',
      },
      { ns: 0, title: 'Lock (computer science)', pageid: 2, snippet: '' },
    ],
  },
};

/** developers.openalex.org/api-reference/works, the Work object. */
export const openalexReply = {
  meta: { count: 2, db_response_time_ms: 30, page: 1, per_page: 10 },
  results: [
    {
      id: 'https://openalex.org/W1',
      doi: 'https://doi.org/10.1000/ABC.1',
      display_name: 'Leases for <i>locks</i>',
      publication_year: 2024,
      publication_date: '2024-05-17',
      cited_by_count: 12,
      authorships: [
        { author_position: 'first', author: { id: 'https://openalex.org/A1', display_name: 'Ada Writer' } },
        { author_position: 'last', author: { id: 'https://openalex.org/A2', display_name: 'B.  Reader' } },
      ],
      primary_location: {
        is_oa: false,
        landing_page_url: 'https://doi.org/10.1000/abc.1',
        pdf_url: null,
        source: { id: 'https://openalex.org/S1', display_name: 'Journal of Locks', type: 'journal' },
      },
      best_oa_location: {
        is_oa: true,
        landing_page_url: 'https://arxiv.org/abs/2405.01234v2',
        pdf_url: 'https://arxiv.org/pdf/2405.01234',
        source: null,
      },
      abstract_inverted_index: { We: [0], renew: [1, 4], locks: [2], 'and,': [3], leases: [5], far: [900_000_000] },
    },
    {
      id: 'https://openalex.org/W2',
      doi: null,
      display_name: null,
      publication_year: null,
      publication_date: null,
      cited_by_count: 0,
      authorships: [],
      primary_location: null,
      best_oa_location: null,
      abstract_inverted_index: null,
    },
  ],
  group_by: [],
};

/** github.com/CrossRef/rest-api-doc, api_format.md. */
export const crossrefReply = {
  status: 'ok',
  'message-type': 'work-list',
  'message-version': '1.0.0',
  message: {
    'total-results': 2,
    'items-per-page': 10,
    query: { 'start-index': 0, 'search-terms': null },
    items: [
      {
        DOI: '10.1000/ABC.1',
        title: ['Leases for locks'],
        author: [
          { given: 'Ada', family: 'Writer', sequence: 'first', affiliation: [] },
          { name: 'The Lock Group', sequence: 'additional', affiliation: [] },
        ],
        issued: { 'date-parts': [[2024, 5]] },
        'container-title': ['Journal of Locks &amp; Keys'],
        'is-referenced-by-count': 9,
        abstract:
          '<jats:title>Abstract</jats:title><jats:p>We renew <jats:italic>locks</jats:italic>, p &lt; 0.05.</jats:p>',
        license: [{ URL: 'https://creativecommons.org/licenses/by/4.0/', 'content-version': 'vor' }],
        link: [
          { URL: 'https://j.example/1.pdf', 'content-type': 'application/pdf', 'intended-application': 'text-mining' },
        ],
      },
      {
        DOI: '10.1000/xyz',
        title: [],
        issued: { 'date-parts': [[null]] },
        link: [{ URL: 'https://j.example/2.pdf', 'content-type': 'application/pdf' }],
      },
    ],
  },
};

/** info.arxiv.org/help/api/user-manual.html, part 3.3. */
export const arxivReply = `<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/" xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns="http://www.w3.org/2005/Atom">
  <link href="http://arxiv.org/api/query?search_query=all:lock" rel="self" type="application/atom+xml"/>
  <title type="html">ArXiv Query: search_query=all:lock</title>
  <id>http://arxiv.org/api/x</id>
  <updated>2024-05-18T00:00:00-04:00</updated>
  <opensearch:totalResults>2</opensearch:totalResults>
  <entry>
    <id>http://arxiv.org/abs/2405.01234v2</id>
    <updated>2024-06-01T10:00:00Z</updated>
    <published>2024-05-17T10:00:00Z</published>
    <title>Leases
  for locks</title>
    <summary>  We renew locks where a &lt;b &amp; c&gt; d
  hold.
</summary>
    <author><name>Ada Writer</name><arxiv:affiliation>Nowhere</arxiv:affiliation></author>
    <author><name>B. Reader</name></author>
    <arxiv:doi>10.1000/abc.1</arxiv:doi>
    <arxiv:journal_ref>J. Locks 4 (2024) 1</arxiv:journal_ref>
    <link href="http://arxiv.org/abs/2405.01234v2" rel="alternate" type="text/html"/>
    <link title="pdf" href="http://arxiv.org/pdf/2405.01234v2" rel="related" type="application/pdf"/>
    <arxiv:primary_category term="cs.DC" scheme="http://arxiv.org/schemas/atom"/>
  </entry>
  <entry>
    <id>http://arxiv.org/abs/hep-ex/0307015v1</id>
    <published>2003-07-07T13:46:39-04:00</published>
    <title>Old</title>
    <summary>Words.</summary>
    <author><name>H1 Collaboration</name></author>
    <link title="pdf" href="http://arxiv.org/pdf/hep-ex/0307015v1" rel="related" type="application/pdf"/>
  </entry>
</feed>`;
