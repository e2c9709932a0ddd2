/** @type {import('knip').KnipConfig} */
export default {
  entry: [
    'apps/*/src/main.{ts,tsx}',
    'apps/console/vite.config.js',
    // Started by file name, never imported.
    '{apps,libs}/**/*-thread.ts',
    'scripts/run.mjs',
    'scripts/monitoring/print-instruments.mjs',
    'scripts/tasks/{chaos,demo-moe,fleet,image-tree,test,test-k8s,check,format,gen}.mjs',
    'test/bench/{main,moe-shard,gateway-server,vllm-process}.ts',
    // Run by hand, before make.py beside it.
    'test/golden/*/prompts.ts',
    '{apps,libs,test}/**/*.spec.ts',
  ],
  project: ['{apps,libs,test}/**/*.{ts,tsx}', 'scripts/**/*.mjs'],
  // What a door exports and nobody imports is dead, too.
  includeEntryExports: true,
  // A type that an exported function of the same file names belongs to its signature.
  ignoreExportsUsedInFile: { interface: true, type: true },
  ignoreIssues: {
    // Whole messages and services are generated, whatever part of them is used.
    'libs/contracts/src/gen/**': ['exports', 'types'],
    // Read by vite, which wants a default export.
    'apps/console/vite.config.js': ['exports'],
    // The types of a door's functions, for those who want to name them.
    '{apps,libs}/*/src/index.ts': ['types'],
  },
  // Run by scripts/tasks through node_modules/.bin, which knip does not read.
  // Of the system; the spec that needs them skips where they are refused.
  ignoreBinaries: ['mount', 'umount', 'bwrap', 'go', 'dpkg-deb', 'pdfinfo'],
  ignoreDependencies: [
    ...['@biomejs/biome', '@bufbuild/buf'],
    // Of the console, which has a package.json of its own.
    ...['preact', 'dompurify', 'markdown-it', 'vite', 'playwright-core'],
  ],
};
