/** Five suites, chosen with `--selectProjects`. All run as ES modules straight from the TypeScript sources. */
const common = {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true },
          target: 'es2023',
        },
        module: { type: 'es6' },
      },
    ],
  },
};

/** @type {import('jest').Config} */
export default {
  projects: [
    {
      ...common,
      displayName: 'unit',
      testMatch: [
        '<rootDir>/{libs,apps}/**/*.spec.ts',
        '<rootDir>/test/{architecture,bench,kubernetes,support}/**/*.spec.ts',
      ],
      testPathIgnorePatterns: ['\\.(int|k8s)\\.spec\\.ts$', '/apps/console/e2e/'],
    },
    {
      ...common,
      displayName: 'integration',
      testMatch: ['<rootDir>/{libs,apps}/**/*.int.spec.ts', '<rootDir>/test/kubernetes/**/*.int.spec.ts'],
      globalSetup: '<rootDir>/test/support/servers-up.mjs',
      globalTeardown: '<rootDir>/test/support/servers-down.mjs',
    },
    { ...common, displayName: 'chaos', testMatch: ['<rootDir>/test/chaos/**/*.spec.ts'] },
    // Not part of `npm test`.
    { ...common, displayName: 'kubernetes', testMatch: ['<rootDir>/test/kubernetes/**/*.k8s.spec.ts'] },
    {
      ...common,
      displayName: 'e2e',
      testMatch: ['<rootDir>/test/e2e/**/*.spec.ts', '<rootDir>/apps/console/e2e/*.spec.ts'],
    },
  ],
  // A bound for what hangs. On a busy machine one that works takes several times as long as on a quiet one.
  testTimeout: 60_000,
};
