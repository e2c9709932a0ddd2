type Cell = string | number | null;

/** Lines of a table as CSV (RFC 4180), with a line of names before them; what is null is empty. */
export function csvOf(columns: readonly string[], rows: readonly object[], withNames = true): string {
  const lines = rows.map((row) => {
    const cells = new Map(Object.entries(row) as [string, Cell][]); // rows of numbers, texts and nulls
    return columns.map((name) => cellOf(cells.get(name) ?? null)).join(',');
  });
  return [...(withNames ? [columns.join(',')] : []), ...lines].map((line) => `${line}\r\n`).join('');
}

function cellOf(cell: Cell): string {
  const text = cell === null ? '' : String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Whether a client that says this of what it takes would rather have CSV than JSON. */
export function wantsCsv(accept: string | undefined): boolean {
  const weights = new Map((accept ?? '').split(',').map(weightOf));
  return (weights.get('text/csv') ?? 0) > (weights.get('application/json') ?? 0);
}

function weightOf(part: string): [string, number] {
  const [type = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
  const weight = Number(parameters.find((text) => text.startsWith('q='))?.slice(2) ?? 1);
  return [type, Number.isFinite(weight) ? weight : 0];
}
