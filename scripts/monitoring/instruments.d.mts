/** Every instrument of the sources; see instruments.mjs. */
export function readInstruments(): Promise<
  readonly {
    readonly name: string;
    readonly kind: 'counter' | 'gauge' | 'histogram';
    readonly labels: Readonly<Record<string, readonly string[] | { readonly of: string; readonly most: number }>>;
    readonly roles: readonly string[];
  }[]
>;
