/** What of all runs is listed; empty fields narrow nothing. Days are the reader's. */
export interface Filter {
  readonly search: string;
  readonly status: string;
  readonly from: string;
  readonly to: string;
}

export const noFilter: Filter = { search: '', status: '', from: '', to: '' };

const page = 50;
const dayMs = 86_400_000;

/** The query of a page of the list. @param before the `next` of the page before */
export function queryOf({ search, status, from, to }: Filter, before: string | null): string {
  const query = new URLSearchParams({ limit: String(page) });
  if (search.trim() !== '') query.set('search', search.trim());
  if (status !== '') query.set('status', status);
  // Midnight where the reader is; `to` is included as a whole.
  if (from !== '') query.set('since', new Date(`${from}T00:00:00`).toISOString());
  if (to !== '') query.set('until', new Date(Date.parse(`${to}T00:00:00`) + dayMs).toISOString());
  if (before !== null) query.set('before', before);
  return query.toString();
}
