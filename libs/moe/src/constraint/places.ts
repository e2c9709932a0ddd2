/** Places in a JSON document. */

/** Where something stands in a schema: a JSON Pointer, and how deep. */
export interface Place {
  readonly pointer: string;
  readonly level: number;
  /** References that are being followed. */
  readonly within: readonly string[];
}

/** The place of a member or an element, one level deeper. */
export function into({ pointer, ...place }: Place, name: string): Place {
  return {
    ...place,
    level: place.level + 1,
    pointer: `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`,
  };
}

/** What a JSON Pointer leads to; undefined for nothing. */
export function pointed(root: unknown, pointer: string): unknown {
  let here = root;
  for (const part of pointer.split('/').slice(1)) {
    const name = decodedPart(part);
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, name)) return undefined;
    here = Object.entries(here).find(([key]) => key === name)?.[1];
  }
  return here;
}

/** Of a pointer in a fragment of an address (RFC 6901 §6). */
function decodedPart(part: string): string {
  const plain = part.replaceAll('~1', '/').replaceAll('~0', '~');
  try {
    return decodeURIComponent(plain);
  } catch {
    return plain;
  }
}
