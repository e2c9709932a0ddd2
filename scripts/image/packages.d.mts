/** For tests; see packages.mjs. */
interface Locked {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
export function runtimePackages(
  locked: Readonly<Record<string, Locked>>,
  isThere?: (place: string) => boolean,
): string[];
