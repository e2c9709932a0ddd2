import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { root } from './sources.ts';

interface Violation {
  readonly from: string;
  readonly rule: { readonly name: string };
}

const doors = ['errors', 'domain', 'tokens', 'platform', 'moe', 'contracts', 'egress', 'runs', 'tools', 'model'];
const packages = ['undici', 'bullmq', 'pg', '@kubernetes/client-node', '@grpc/grpc-js', '@opentelemetry/sdk-node'];

type Planted = [file: string, text: string, rule: string];

const raw = (name: string): Planted => {
  return [`libs/tools/src/raw-${name.replace('/', '-')}.ts`, `import 'node:${name}';`, 'sockets'];
};

/** Each planted file, what it says, and the rule that must catch it. The files are otherwise unused. */
const planted: readonly Planted[] = [
  ['libs/runs/src/sibling.ts', "import '#tools';", 'layer-runs'],
  ['libs/domain/src/upward.ts', "import '#contracts';", 'layer-domain'],
  ['libs/errors/src/any.ts', "import '#domain';", 'layer-errors'],
  ['libs/model/src/type-only.ts', "import type { X } from '#runs';", 'layer-model'],
  ['libs/tools/src/lazy.ts', "export const later = () => import('#model');", 'layer-tools'],
  ['libs/platform/src/app.ts', "import '../../../apps/cli/src/part.ts';", 'layer-platform'],
  ['libs/unlisted/src/index.ts', "import '#errors';", 'lib-in-the-table'],
  ['apps/gateway/src/other.ts', "import '../../cli/src/part.ts';", 'apps-apart'],
  ['apps/gateway/src/experts.ts', "import '#moe';", 'moe-for-inference'],
  ['libs/runs/src/deep.ts', "import '../../domain/src/inner.ts';", 'enter-by-the-door'],
  ['apps/cli/src/deep.ts', "import '../../../libs/domain/src/inner.ts';", 'enter-by-the-door-from-outside'],
  ['test/e2e/deep.ts', "import '../../libs/domain/src/inner.ts';", 'enter-by-the-door-from-outside'],
  ['apps/cli/src/path.ts', "import '../../../libs/domain/src/index.ts';", 'by-name'],
  ['libs/tools/src/dial.ts', "import 'undici';", 'home-outbound-http'],
  ['apps/dispatcher/src/queue.ts', "import 'bullmq';", 'home-queue-and-database'],
  ['libs/model/src/rows.ts', "import 'pg';", 'home-queue-and-database'],
  ['apps/gateway/src/cluster.ts', "import '@kubernetes/client-node';", 'home-kubernetes'],
  ['libs/runs/src/call.ts', "import '@grpc/grpc-js';", 'home-grpc'],
  ['libs/runs/src/span.ts', "import '@opentelemetry/sdk-node';", 'home-telemetry'],
  ...['http', 'https', 'http2', 'net', 'tls', 'dns', 'dns/promises', 'dgram'].map(raw),
  ['libs/runs/src/bare.ts', "import { connect } from 'net';\nconnect(1);", 'sockets'],
  ['libs/runs/src/passed-on.ts', "export * from 'node:tls';", 'sockets'],
  ['apps/tool-worker/src/raw.ts', "import 'node:http';", 'sockets'],
  ['apps/agent-worker/src/later.ts', "export const later = () => import('node:net');", 'sockets'],
  ['libs/domain/src/disk.ts', "import 'node:fs';", 'pure-domain'],
  ['libs/runs/src/test.ts', "import './some.spec.ts';", 'tests-stay-outside'],
  ['apps/cli/src/support.ts', "import '../../../test/support/server.ts';", 'tests-stay-outside'],
  ['libs/runs/src/left.ts', "import './right.ts';", 'no-circle'],
  ['libs/runs/src/alone.ts', 'export const alone = 1;', 'no-orphan'],
  ['libs/runs/src/tool.ts', "import 'only-for-development';", 'installed-in-production'],
  ['libs/runs/src/gone.ts', "import './not-there.ts';", 'resolvable'],
];

/** What the planted files lean on, and imports that every rule must leave alone. */
const allowed: readonly [file: string, text: string][] = [
  ['libs/domain/src/inner.ts', "import 'node:crypto';\nimport '#errors';"],
  ['apps/cli/src/part.ts', "import '#runs';\nimport '#tools';"],
  ['apps/cli/src/main.ts', ''],
  ['apps/inference/src/part.ts', "import '#moe';\nimport '@grpc/grpc-js';\nimport '#contracts/rpc';"],
  ['libs/runs/src/right.ts', "import './left.ts';"],
  ['libs/runs/src/some.spec.ts', "import '#domain';\nimport 'only-for-development';"],
  ['libs/runs/src/store.ts', "import 'bullmq';\nimport 'pg';\nimport '#contracts';"],
  ['libs/egress/src/dial.ts', "import 'undici';\nimport 'node:net';"],
  ['libs/tools/src/socket-type.ts', "import type { Socket } from 'node:net';"],
  ['libs/contracts/src/gen/index.ts', "import '@grpc/grpc-js';"],
  ['test/support/server.ts', "import '#runs';"],
];

function write(folder: string, file: string, text: string): void {
  mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
  writeFileSync(path.join(folder, file), `${text}\n`);
}

function plant(folder: string): void {
  const imports = Object.fromEntries(doors.map((lib) => [`#${lib}`, `./libs/${lib}/src/index.ts`]));
  const dependencies = Object.fromEntries(packages.map((name) => [name, '1.0.0']));
  const project = {
    name: 'planted',
    type: 'module',
    imports: { ...imports, '#contracts/rpc': './libs/contracts/src/gen/index.ts' },
    dependencies,
    devDependencies: { 'only-for-development': '1.0.0' },
  };
  write(folder, 'package.json', JSON.stringify(project));
  for (const name of [...packages, 'only-for-development']) {
    write(folder, `node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' }));
    write(folder, `node_modules/${name}/index.js`, '');
  }
  for (const lib of doors) {
    write(folder, `libs/${lib}/src/index.ts`, lib === 'errors' ? '' : "import '#errors';");
  }
  for (const [file, text] of [...planted, ...allowed]) write(folder, file, text);
  cpSync(path.join(root, '.dependency-cruiser.mjs'), path.join(folder, '.dependency-cruiser.mjs'));
}

async function cruise(folder: string): Promise<readonly Violation[]> {
  const program = path.join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
  const args = [program, '--config', '.dependency-cruiser.mjs', '--output-type', 'json', 'apps', 'libs', 'test'];
  // The cruiser is content to end with 0 in its JSON mode; the violations are in the text.
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder, maxBuffer: 64 * 1024 * 1024 });
  return JSON.parse(stdout).summary.violations;
}

describe('the layer table', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'argosy-layers-'));
  let violations: readonly Violation[] = [];

  beforeAll(async () => {
    plant(folder);
    violations = await cruise(folder);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const rulesBrokenBy = (file: string): string[] =>
    violations.filter((violation) => violation.from === file).map((violation) => violation.rule.name);

  it.each(planted)('%s: %s breaks %s', (file, _text, rule) => {
    expect(rulesBrokenBy(file)).toContain(rule);
  });

  it('leaves allowed imports alone', () => {
    const files = new Set(allowed.map(([file]) => file));
    files.delete('libs/runs/src/right.ts'); // one half of the planted circle
    expect(violations.filter((violation) => files.has(violation.from))).toEqual([]);
  });
});
