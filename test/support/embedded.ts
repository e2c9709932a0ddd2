/** Folders and stores that live as long as the tests of one spec file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import { DataDirectory, openEmbedded, type RunsSettings } from '#runs';

/** A new empty folder, removed after the tests of the block that calls this. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'argosy-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

interface Closable {
  close(): Promise<void>;
}

/**
 * Opens a store in a folder of its own before the tests of a file and closes it after them: a new PGlite folder takes
 * about 4 s. Tests keep apart by tenant. @returns gives the store inside tests and hooks
 */
export function useStore<S extends Closable>(open: (folder: string) => Promise<S>): () => S {
  const folder = temporaryFolder();
  let store: S | null = null;
  beforeAll(async () => {
    store = await open(folder);
  });
  afterAll(async () => {
    await store?.close();
  });
  return () => {
    if (store === null) throw new Error('The store is open only inside tests and hooks.');
    return store;
  };
}

/** Opens the stores of an embedded process on a folder, for {@link useStore}. */
export function runsOn(settings: RunsSettings) {
  return async (folder: string) => {
    const directory = DataDirectory.hold(folder);
    const { runs, close } = await openEmbedded(directory, settings);
    return {
      runs,
      close: async () => {
        await close();
        await directory.release();
      },
    };
  };
}
