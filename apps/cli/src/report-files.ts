import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Files, isBundlePath, readTar } from '#contracts';
import { InvalidInput, messageOf } from '#errors';

/** Where a report went. */
export interface WrittenReport {
  readonly folder: string;
  readonly markdown: string;
}

/** Makes the folder of reports, so that one that cannot be written is known before the research and not after it. */
export async function prepareFolder(outDir: string): Promise<void> {
  await writable(outDir, async (path) => await mkdir(path, { recursive: true }));
}

/**
 * Writes `<out>/<run id>/` with bundle.tar and the files in it, and a copy of its report.json to `jsonFile`.
 * @throws InvalidInput when the folder cannot be written, or the bundle holds what no bundle should
 */
export async function writeReport(
  runId: string,
  bundle: Uint8Array,
  target: { readonly outDir: string; readonly jsonFile: string | null },
): Promise<WrittenReport> {
  if (!/^[\w-]{1,100}$/.test(runId)) {
    throw new InvalidInput([
      { path: 'id', message: `the server calls the run ${JSON.stringify(runId)}, which is no name for a folder` },
    ]);
  }
  const files = unpack(bundle);
  const folder = join(target.outDir, runId);
  await writable(join(folder, 'snapshots'), async (path) => await mkdir(path, { recursive: true }));
  for (const [name, bytes] of [...files, ['bundle.tar', bundle] as const]) {
    await writable(join(folder, name), async (path) => await writeFile(path, bytes));
  }
  const { jsonFile } = target;
  if (jsonFile !== null) {
    await writable(jsonFile, async (path) => {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, expectFile(files, 'report.json'));
    });
  }
  return { folder, markdown: new TextDecoder().decode(expectFile(files, 'report.md')) };
}

/** A server decides what stands in the files, and never where they go. */
function unpack(bundle: Uint8Array): Files {
  const files = readTar(bundle);
  const alien = [...files.keys()].find((path) => !isBundlePath(path));
  if (alien === undefined) return files;
  throw new InvalidInput([{ path: alien, message: 'does not belong into a bundle, so nothing of it was written' }]);
}

function expectFile(files: Files, path: string): Uint8Array {
  const bytes = files.get(path);
  if (bytes === undefined) throw new InvalidInput([{ path, message: 'is missing in the bundle that the server sent' }]);
  return bytes;
}

async function writable(path: string, write: (path: string) => Promise<unknown>): Promise<void> {
  try {
    await write(path);
  } catch (cause) {
    if (cause instanceof InvalidInput) throw cause;
    const message = `cannot be written (${messageOf(cause)}); name another place with --out or --json`;
    throw new InvalidInput([{ path, message }], { cause });
  }
}
