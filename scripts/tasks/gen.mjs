/** `npm run gen`: TypeScript from the proto files. The output is committed; `npm run check` compares it. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runChild } from '../setup/child.mjs';
import { Fault, say } from '../setup/fault.mjs';
import { inRoot, root } from '../setup/paths.mjs';

const home = 'libs/contracts/src/gen';

/** The packages that the door `#contracts/rpc` names, and the file that holds each. */
const packages = {
  expert: './argosy/expert/v1/expert.ts',
  inference: './argosy/inference/v1/inference.ts',
};

/** Generates below `folder`, which stands for the clone. */
async function generate(folder) {
  const bin = (name) => inRoot('node_modules', '.bin', name);
  const env = { ...process.env, PATH: `${path.dirname(bin('buf'))}${path.delimiter}${process.env.PATH}` };
  const { exitCode, output } = await runChild(bin('buf'), ['generate', '-o', folder], {
    cwd: root,
    env,
    output: 'collect',
    deadlineMs: 120_000,
  });
  if (exitCode !== 0) throw new Fault(`buf generate failed.\n${output}`);
  const lines = Object.entries(packages).map(([name, file]) => `export * as ${name} from '${file}';`);
  writeFileSync(path.join(folder, home, 'index.ts'), `// Written by \`npm run gen\`.\n${lines.join('\n')}\n`);
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

/** @returns {Promise<string[]>} files of the committed code that differ from what the proto files give now */
export function staleFiles() {
  return intoTemporary((fresh) => {
    const [wanted, present] = [contents(fresh), contents(inRoot(home))];
    const all = new Set([...wanted.keys(), ...present.keys()]);
    return [...all].filter((file) => wanted.get(file) !== present.get(file)).map((file) => `${home}/${file}`);
  });
}

async function replaceCommitted() {
  await intoTemporary((fresh) => {
    rmSync(inRoot(home), { recursive: true, force: true });
    cpSync(fresh, inRoot(home), { recursive: true });
  });
  say(`wrote ${home}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await replaceCommitted().catch((error) => {
    say(error.message);
    process.exitCode = 1;
  });
}
