import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { root } from './sources.ts';

/** Files that git has or would take. */
function committedFiles(): string[] {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const listed = execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  return listed.split('\0').filter((file) => file !== '' && existsSync(path.join(root, file)));
}

const registries =
  /\b(registry\.(npmjs\.org|yarnpkg\.com|npmmirror\.com)|(npm|artifactory|nexus|verdaccio)[\w-]*\.[\w.-]+\/[^\s"']*\.tgz)/;
const lockedAddress = /^\s*"resolved":/m;
const npmrcAddress = /^\s*(@[\w-]+:)?registry\s*=|_authToken|_password/m;
/** Home and work folders of the machine that a file was written on. */
const machinePath =
  /(^|[\s"'`(=:,])(file:\/\/)?\/(home\/(?!node\b)[\w.-]+|Users\/[\w.-]+|root|work\/(main|shared))\/[\w.]/m;

/** Files that name such a thing on purpose, and why. */
const exceptions: ReadonlyMap<string, string> = new Map([
  ['test/architecture/committed-files.spec.ts', 'holds the patterns and the planted examples'],
]);

function findings(file: string, text: string): string[] {
  const lock = path.basename(file) === 'package-lock.json';
  const npmrc = path.basename(file) === '.npmrc';
  return [
    ...(registries.test(text) || (lock && lockedAddress.test(text)) || (npmrc && npmrcAddress.test(text))
      ? [`${file} names a package registry`]
      : []),
    ...(machinePath.test(text) ? [`${file} names a folder of one machine`] : []),
  ];
}

describe('committed files', () => {
  it('name no package registry and no folder of one machine', () => {
    const found = committedFiles()
      .filter((file) => !exceptions.has(file))
      .flatMap((file) => findings(file, readFileSync(path.join(root, file), 'utf8')));
    expect(found).toEqual([]);
  });

  it.each([
    ['package-lock.json', '{\n  "resolved": "https://mirror.example/zod.tgz"\n}'],
    ['package-lock.json', '{ "x": "https://npm.example.com/zod/-/zod-4.0.0.tgz" }'],
    ['.npmrc', 'registry = https://mirror.example/'],
    ['docs/setup.md', 'from https://registry.npmjs.org/zod'],
    ['docs/setup.md', 'cd /home/someone/argosy'],
    ['apps/x/src/x.ts', "const a = '/root/data';"],
  ])('are caught in %s by %j', (file, text) => {
    expect(findings(file, text)).toHaveLength(1);
  });

  it('may speak of registries and of container folders', () => {
    expect(findings('Dockerfile', 'WORKDIR /home/node/app\nRUN npm config get registry')).toEqual([]);
    expect(findings('docs/x.md', 'https://www.npmjs.com/package/zod and registry.k8s.io/pause:3.10')).toEqual([]);
  });
});

describe('decisions', () => {
  it('have a number each, which is the one in their title', () => {
    const numbers = committedFiles().flatMap((file) => /^docs\/decisions\/(\d{4})-[\w-]+\.md$/.exec(file)?.[1] ?? []);
    const titles = committedFiles()
      .filter((file) => file.startsWith('docs/decisions/'))
      .map((file) => readFileSync(path.join(root, file), 'utf8').slice(2, 6));
    expect(numbers).toEqual([...new Set(numbers)]);
    expect(titles).toEqual(numbers);
  });
});
