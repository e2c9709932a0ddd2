import { hash } from 'node:crypto';
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { InvalidInput, messageOf } from '#errors';

/** The root's real path and the id that stands for it. @throws InvalidInput when it is not there or not readable */
export function locate(path: string): { real: string; id: string; name: string } {
  try {
    const real = realpathSync(path);
    accessSync(real, constants.R_OK);
    return { real, id: `c_${hash('sha256', real).slice(0, 16)}`, name: basename(real) || 'root' };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const message =
      code === 'ENOENT'
        ? `there is no such file or folder. Check the spelling; ${parentHint(path)}`
        : `cannot be read (${code ?? messageOf(error)}). Check its permissions.`;
    throw new InvalidInput([{ path, message }], { cause: error });
  }
}

function parentHint(path: string): string {
  const parent = dirname(path);
  try {
    return statSync(parent).isDirectory() ? `the folder ${parent} is there.` : `${parent} is not a folder.`;
  } catch {
    return `the folder ${parent} is not there either.`;
  }
}
