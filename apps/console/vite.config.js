import path from 'node:path';
import { defineConfig } from 'vite';

const root = path.resolve(import.meta.dirname, '../..');

/** Static files that the gateway serves; nothing in them is inline, so that its policy allows no inline code. */
export default defineConfig({
  root: path.join(import.meta.dirname, 'src'),
  base: '/',
  publicDir: false,
  resolve: { alias: { '#domain': path.join(root, 'libs/domain/src/index.ts') } },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: path.join(root, 'dist/apps/console/site'),
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Of the packages that are built in.
    license: { fileName: 'licenses.md' },
  },
});
