/** `npm run gen`: TypeScript from the proto files, and what is made of the instruments. All of it is committed; `npm run check` compares it. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { monitoringFiles } from '../monitoring/files.mjs';
import { runChild } from '../setup/child.mjs';
import { Fault, say } from '../setup/fault.mjs';
import { inRoot, root } from '../setup/paths.mjs';
import { describedFiles } from './proto-files.mjs';

const home = 'libs/contracts/src/gen';

/** The packages that the door `#contracts/rpc` names, and the file that holds each. */
const packages = {
  expert: './argosy/expert/v1/expert.ts',
  inference: './argosy/inference/v1/inference.ts',
  health: './grpc/health/v1/health.ts',
  reflection: './grpc/reflection/v1/reflection.ts',
  reflectionAlpha: './grpc/reflection/v1alpha/reflection.ts',
  rpcStatus: './google/rpc/status.ts',
  rpcDetails: './google/rpc/error_details.ts',
};

/** Generates below `folder`, which stands for the clone. */
async function generate(folder) {
  const bin = (name) => inRoot('node_modules', '.bin', name);
  const env = { ...process.env, PATH: `${path.dirname(bin('buf'))}${path.delimiter}${process.env.PATH}` };
  const buf = async (...args) => {
    const options = { cwd: root, env, output: 'collect', deadlineMs: 120_000 };
    const { exitCode, output } = await runChild(bin('buf'), args, options);
    if (exitCode !== 0) throw new Fault(`buf ${args[0]} failed.\n${output}`);
  };
  await buf('generate', '-o', folder);
  const image = (form) => path.join(folder, `image.${form}`);
  for (const form of ['binpb', 'json']) {
    await buf('build', '--as-file-descriptor-set', '--exclude-source-info', '-o', image(form));
  }
  const files = describedFiles(readFileSync(image('binpb')), JSON.parse(readFileSync(image('json'), 'utf8')));
  const head = '// Written by `npm run gen`.';
  writeFileSync(path.join(folder, home, 'described-files.ts'), `${head}\n${files}`);
  const lines = Object.entries(packages).map(([name, file]) => `export * as ${name} from '${file}';`);
  const door = [head, "export * from './described-files.ts';", ...lines];
  writeFileSync(path.join(folder, home, 'index.ts'), `${door.join('\n')}\n`);
}

function contents(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files.map((entry) => {
      const file = path.join(entry.parentPath, entry.name);
      return [path.relative(folder, file), readFileSync(file, 'utf8')];
    }),
  );
}

async function intoTemporary(use) {
  const folder = mkdtempSync(path.join(tmpdir(), 'argosy-gen-'));
  try {
    await generate(folder);
    return use(path.join(folder, home));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns {Promise<string[]>} committed files that differ from what the proto files and the instruments give now */
export async function staleFiles() {
  const stale = await intoTemporary((fresh) => {
    const [wanted, present] = [contents(fresh), contents(inRoot(home))];
    const all = new Set([...wanted.keys(), ...present.keys()]);
    return [...all].filter((file) => wanted.get(file) !== present.get(file)).map((file) => `${home}/${file}`);
  });
  for (const [file, text] of await monitoringFiles()) {
    if (!existsSync(inRoot(file)) || readFileSync(inRoot(file), 'utf8') !== text) stale.push(file);
  }
  return stale;
}

async function replaceCommitted() {
  await intoTemporary((fresh) => {
    rmSync(inRoot(home), { recursive: true, force: true });
    cpSync(fresh, inRoot(home), { recursive: true });
  });
  say(`wrote ${home}`);
  for (const [file, text] of await monitoringFiles()) {
    mkdirSync(path.dirname(inRoot(file)), { recursive: true });
    writeFileSync(inRoot(file), text);
    say(`wrote ${file}`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await replaceCommitted().catch((error) => {
    say(error.message);
    process.exitCode = 1;
  });
}
