/** The layer table of docs/architecture.md part 3: what each lib may see besides `errors` and itself. */
const visible = {
  errors: [],
  domain: [],
  tokens: [],
  platform: [],
  moe: ['tokens'],
  contracts: ['domain'],
  egress: ['platform'],
  runs: ['domain', 'contracts', 'platform'],
  tools: ['domain', 'contracts', 'platform', 'egress'],
  model: ['domain', 'contracts', 'platform', 'egress', 'tokens'],
};

/** Packages with one home each, by the folders that may import them. */
const homes = {
  'queue-and-database': { packages: ['bullmq', 'ioredis', 'pg', '@electric-sql/pglite'], in: ['libs/runs'] },
  kubernetes: { packages: ['@kubernetes/client-node'], in: ['apps/autoscaler'] },
  grpc: {
    packages: ['@grpc/[^/]+'],
    in: ['libs/model', 'libs/contracts/src/gen', 'apps/inference', 'apps/autoscaler'],
  },
  protobuf: { packages: ['@bufbuild/protobuf'], in: ['libs/contracts/src/gen'] },
  telemetry: { packages: ['@opentelemetry/(?!api(/|$))[^/]+'], in: ['libs/platform'] },
  'outbound-http': { packages: ['undici', 'ipaddr\\.js'], in: ['libs/egress'] },
};

/**
 * Who may open sockets or resolve names with Node's own modules: egress, health checks, the store of objects that the
 * operator named, and the apps that serve.
 */
const networked = [
  'libs/egress',
  'libs/platform',
  'libs/runs/src/objects',
  'apps/gateway',
  'apps/egress',
  'apps/inference',
  'apps/autoscaler',
  'apps/cli',
];

const tests = '\\.(spec|contract)\\.ts$|^apps/console/e2e/';
const doors = ['^libs/[^/]+/src/index\\.ts$', '^libs/contracts/src/gen/index\\.ts$'];

const error = (name, comment, from, to) => ({ name, severity: 'error', comment, from, to });

const layerRules = Object.entries(visible).map(([lib, others]) =>
  error(
    `layer-${lib}`,
    `libs/${lib} sees ${[...others, 'errors'].join(', ')} and nothing else of ours`,
    { path: `^libs/${lib}/` },
    { path: '^(libs|apps)/', pathNot: `^libs/(${[lib, 'errors', ...others].join('|')})/` },
  ),
);

const homeRules = Object.entries(homes).map(([name, home]) =>
  error(
    `home-${name}`,
    `only ${home.in.join(', ')} may import it`,
    { path: '^(apps|libs)/', pathNot: home.in.map((folder) => `^${folder}/`) },
    { path: `(^|node_modules/)(${home.packages.join('|')})(/|$)` },
  ),
);

const doorRules = [
  error(
    'enter-by-the-door',
    'other libs are entered through index.ts (generated gRPC code through #contracts/rpc)',
    { path: '^libs/([^/]+)/' },
    { path: '^libs/', pathNot: ['^libs/$1/', ...doors] },
  ),
  error(
    'enter-by-the-door-from-outside',
    'libs are entered through index.ts (generated gRPC code through #contracts/rpc)',
    { path: '^(apps|test|scripts)/' },
    { path: '^libs/', pathNot: doors },
  ),
  error(
    'by-name',
    'another lib is imported by its name (#domain), not by a path',
    // The console is a package of its own, which the names of the root's package.json do not reach.
    { path: '^(?:apps|test|scripts|libs/([^/]+))/', pathNot: '^apps/console/' },
    { path: doors, pathNot: '^libs/$1/', dependencyTypesNot: ['aliased-subpath-import'] },
  ),
];

const otherRules = [
  error(
    'lib-in-the-table',
    'a new lib gets a row in the layer table first',
    { path: `^libs/(?!(${Object.keys(visible).join('|')})/)` },
    {},
  ),
  error(
    'apps-apart',
    'no app imports another app; apps/cli composes them (docs/decisions/0002)',
    { path: '^apps/([^/]+)/', pathNot: '^apps/cli/' },
    { path: '^apps/', pathNot: '^apps/$1/' },
  ),
  error(
    'apps-by-door',
    'apps/cli enters the other apps through their src/index.ts',
    { path: '^apps/cli/' },
    { path: '^apps/', pathNot: ['^apps/cli/', '^apps/[^/]+/src/index\\.ts$'] },
  ),
  error('moe-for-inference', 'moe is for apps/inference', { path: '^apps/(?!inference/)' }, { path: '^libs/moe/' }),
  error(
    'tests-stay-outside',
    'production code imports no tests',
    { path: '^(apps|libs)/', pathNot: tests },
    { path: [tests, '^test/', '^scripts/'] },
  ),
  error('no-circle', 'imports point down', {}, { circular: true }),
  error(
    'no-orphan',
    'a file that nothing imports and that imports nothing',
    {
      orphan: true,
      path: '^(apps|libs)/',
      pathNot: [tests, '^apps/[^/]+/src/main\\.tsx?$', '-thread\\.ts$', '^apps/console/vite.config.js$'],
    },
    {},
  ),
  error(
    'pure-domain',
    'the domain is pure: hashing is all it needs of Node',
    { path: '^libs/domain/', pathNot: tests },
    { dependencyTypes: ['core'], pathNot: '^(node:)?crypto$' },
  ),
  error(
    'sockets',
    'outbound requests go through #egress; types are free',
    { path: '^(apps|libs)/', pathNot: [tests, ...networked.map((folder) => `^${folder}/`)] },
    { path: '^(node:)?(http|https|http2|net|tls|dns|dgram)(/|$)', dependencyTypesNot: ['type-only'] },
  ),
  error(
    'installed-in-production',
    '`npm start` installs no development packages',
    { path: '^(apps|libs)/', pathNot: tests },
    { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
  ),
  error('resolvable', 'names a file or package that is not there', {}, { couldNotResolve: true }),
];

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [...layerRules, ...doorRules, ...homeRules, ...otherRules],
  options: {
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    // The names in package.json's `imports`, resolved to sources as TypeScript and jest resolve them.
    enhancedResolveOptions: {
      conditionNames: ['source', 'import', 'node', 'default'],
      exportsFields: ['exports'],
      extensions: ['.ts', '.tsx', '.js', '.mjs', '.json'],
    },
  },
};
