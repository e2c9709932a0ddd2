import { type DomElement, type DomNode, isElement, named } from './dom.ts';

/** Bounds of what one table may grow to by its spans. */
const MOST_COLUMNS = 200;
const MOST_ROWS = 10_000;
const MOST_CELLS = 200_000;
/** A cell with more text than this is a part of a page's layout. */
const LAYOUT_TEXT = 1_500;

type Row = readonly DomElement[];

/** The cells of a table's own rows, those of tables inside it left out. */
export function rowsOf(table: DomElement): Row[] {
  const rows: Row[] = [];
  const collect = (parent: DomNode) => {
    for (let child = parent.firstChild; child; child = child.nextSibling) {
      if (!isElement(child)) continue;
      if (child.localName === 'tr') rows.push(cellsOf(child));
      else if (['thead', 'tbody', 'tfoot', 'form'].includes(child.localName)) collect(child);
    }
  };
  collect(table);
  return rows.filter((row) => row.length > 0).slice(0, MOST_ROWS);
}

function cellsOf(row: DomElement): DomElement[] {
  const cells: DomElement[] = [];
  for (let child = row.firstChild; child; child = child.nextSibling) {
    if (isElement(child) && (child.localName === 'td' || child.localName === 'th')) cells.push(child);
  }
  return cells;
}

/** Whether a table holds a page's columns and no data: its cells are then read one after the other. */
export function isLayout(table: DomElement, rows: readonly Row[]): boolean {
  if (/^(?:presentation|none)$/.test(table.getAttribute('role') ?? '')) return true;
  if (rows.length < 2 || rows.every((row) => row.length < 2)) return true;
  if (rows.some((row) => row.some((cell) => cell.localName === 'th'))) return false;
  if (named(table, 'table', 'h1', 'h2', 'h3', 'h4', 'pre').length > 0) return true;
  return rows.some((row) => row.some((cell) => (cell.textContent ?? '').length > LAYOUT_TEXT));
}

/**
 * The lines of a Markdown table. A cell that spans rows is repeated in each, so that a row can be quoted alone; one that
 * spans columns is followed by empty cells.
 */
export function tableLines(rows: readonly Row[], words: (cell: DomElement) => string): string[] {
  const grid = filled(rows, words);
  const width = Math.max(...grid.map((cells) => cells.length));
  const lines = grid.map((cells) => `| ${[...cells, ...Array(width - cells.length).fill('')].join(' | ')} |`);
  const rule = `|${' --- |'.repeat(width)}`;
  return [...lines.slice(0, 1), rule, ...lines.slice(1)];
}

function filled(rows: readonly Row[], words: (cell: DomElement) => string): string[][] {
  const carried = new Map<number, { text: string; rows: number }>();
  const grid: string[][] = [];
  let cells = 0;
  for (const row of rows) {
    const line: string[] = [];
    const carry = () => {
      for (let above = carried.get(line.length); above; above = carried.get(line.length)) {
        if (above.rows === 1) carried.delete(line.length);
        else above.rows--;
        line.push(above.text);
      }
    };
    for (const cell of row) {
      carry();
      const text = words(cell);
      const down = span(cell, 'rowspan', MOST_ROWS);
      const across = span(cell, 'colspan', MOST_COLUMNS);
      for (let n = 0; n < across && line.length < MOST_COLUMNS; n++) {
        if (down > 1) carried.set(line.length, { text: n === 0 ? text : '', rows: down - 1 });
        line.push(n === 0 ? text : '');
      }
      if (line.length >= MOST_COLUMNS) break;
    }
    carry();
    cells += line.length;
    if (cells > MOST_CELLS) break;
    if (line.some((text) => text !== '')) grid.push(line);
  }
  return grid.length > 0 ? grid : [['']];
}

function span(cell: DomElement, name: string, most: number): number {
  const value = Number(cell.getAttribute(name));
  return Number.isInteger(value) && value > 1 ? Math.min(value, most) : 1;
}
