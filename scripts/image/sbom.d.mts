/** For tests; see sbom.mjs. */
interface Locked {
  readonly version: string;
  readonly license?: string;
  readonly integrity?: string;
}
interface Component {
  readonly name: string;
  readonly purl: string;
  readonly licenses?: readonly { readonly expression: string }[];
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
}
export function billOf(
  places: readonly string[],
  locked: Readonly<Record<string, Locked>>,
  product: { readonly name: string; readonly version: string },
): { readonly specVersion: string; readonly components: readonly Component[] };
