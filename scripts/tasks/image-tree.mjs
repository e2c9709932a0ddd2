/** `npm run image:tree -- --to DIR`: the files of an image in a folder. The Dockerfile is built of the same. */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { layOutTree } from '../image/tree.mjs';
import { Fault, say } from '../setup/fault.mjs';

function folder() {
  try {
    const { to } = parseArgs({ options: { to: { type: 'string' } }, strict: true }).values;
    if (to) return path.resolve(to);
  } catch (error) {
    throw new Fault(`${error.message.split('\n')[0]} Usage: npm run image:tree -- --to DIR`, 2);
  }
  throw new Fault('name the folder: npm run image:tree -- --to DIR', 2);
}

try {
  const to = folder();
  const { packages } = layOutTree(to);
  say(`${to} holds the build and ${packages} packages`);
} catch (error) {
  say(error instanceof Fault ? error.message : error.stack);
  process.exitCode = error.exitCode ?? 1;
}
