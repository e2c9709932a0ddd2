import { describe, expect, it } from '@jest/globals';
import { runtimePackages } from '../../scripts/image/packages.mjs';
import { billOf } from '../../scripts/image/sbom.mjs';

const needs = (...names: string[]) => ({ dependencies: Object.fromEntries(names.map((name) => [name, '1'])) });

describe('the packages of an image', () => {
  it('are those that dependencies lead to, without the compiler and what is for developing', () => {
    const locked = {
      '': needs('web', 'typescript'),
      'node_modules/web': needs('http'),
      'node_modules/http': {},
      'node_modules/typescript': needs('native'),
      'node_modules/native': {},
      'node_modules/jest': {},
    };
    expect(runtimePackages(locked)).toEqual(['node_modules/http', 'node_modules/web']);
  });

  it('are found where Node would find them, the nearest one first', () => {
    const locked = {
      '': needs('web', 'http'),
      'node_modules/web': needs('http'),
      'node_modules/web/node_modules/http': needs('bytes'),
      'node_modules/http': {},
      'node_modules/bytes': {},
    };
    expect(runtimePackages(locked)).toEqual([
      'node_modules/bytes',
      'node_modules/http',
      'node_modules/web',
      'node_modules/web/node_modules/http',
    ]);
  });

  it('leave out an optional one that is not for this system, and miss no other', () => {
    const optional = { optionalDependencies: { linux: '1', mac: '1' }, dependencies: { linux: '1', mac: '1' } };
    const locked = { '': needs('web'), 'node_modules/web': optional, 'node_modules/linux': {}, 'node_modules/mac': {} };
    const isThere = (place: string): boolean => place !== 'node_modules/mac';
    expect(runtimePackages(locked, isThere)).toEqual(['node_modules/linux', 'node_modules/web']);
    expect(() => runtimePackages({ '': needs('web') })).toThrow('package-lock.json lacks web');
  });

  it('end where packages need each other', () => {
    const locked = { '': needs('a'), 'node_modules/a': needs('b'), 'node_modules/b': needs('a') };
    expect(runtimePackages(locked)).toEqual(['node_modules/a', 'node_modules/b']);
  });
});

describe('the bill of an image', () => {
  it('has each package with its address, licence and hash', () => {
    const locked = {
      'node_modules/a/node_modules/@x/b': { version: '1.2.3', license: 'MIT', integrity: 'sha512-AAEC' },
    };
    const { components } = billOf(Object.keys(locked), locked, { name: 'argosy', version: '0.1.0' });
    expect(components).toEqual([
      expect.objectContaining({
        name: '@x/b',
        purl: 'pkg:npm/%40x/b@1.2.3',
        licenses: [{ expression: 'MIT' }],
        hashes: [{ alg: 'SHA-512', content: '000102' }],
      }),
    ]);
  });
});
