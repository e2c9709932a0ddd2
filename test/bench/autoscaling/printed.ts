import type { Row } from '../result.ts';

/** Rows as a table for people: a column for each number, those of words to the left. */
export function printed(rows: readonly Row[]): string {
  const names = Object.keys(rows[0] ?? {});
  const cells = [names, ...rows.map((row) => names.map((name) => String(row[name] ?? '')))];
  const widths = names.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)));
  const isWord = names.map((name) => typeof rows[0]?.[name] === 'string');
  return cells
    .map((line) =>
      line
        .map((cell, column) => (isWord[column] ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
