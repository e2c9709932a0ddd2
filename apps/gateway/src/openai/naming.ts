import { renaming } from '#contracts';
import { InvalidInput } from '#errors';

/** Tells of faults of a request by the names that its protocol has for the fields. */
export async function inWordsOf<T>(names: Readonly<Record<string, string>>, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    throw new InvalidInput(error.problems.map(renaming(names)), { cause: error });
  }
}
