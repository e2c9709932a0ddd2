/** Five short documents about an invented ferry, one of each kind of file that a corpus reads. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const timetable = `# Timetable of the Halloway ferry

The ferry leaves Halloway every ninety minutes between six in the morning and nine at night. On Sundays the first boat leaves at eight.

## When the wind is strong

Above nine Beaufort the ferry stays in the harbour. The harbour master decides, and she hoists a black ball at the pier.
`;

const tickets = `<!doctype html>
<html><head><title>Tickets</title></head><body><main>
<h1>Tickets</h1>
<p>A single crossing costs four crowns and sixty pence. Children under seven travel free of charge.</p>
<h2>Refunds</h2>
<p>A ticket is refunded in full when the crossing was cancelled, and by half when it was more than an hour late.</p>
</main></body></html>
`;

const vessels = JSON.stringify(
  { vessels: [{ name: 'Marguerite', launched: 1931, passengers: 240, engine: 'twin diesel, refitted in 1988' }] },
  null,
  2,
);

const declarations = `/** Books a place on a crossing. */
export interface BookingOptions {
  /** How long a reservation is held before it lapses, in minutes. Default 25. */
  holdMinutes?: number;
  /** Bicycles travel on the upper deck. */
  bicycles?: number;
}
`;

const logbook =
  'The lightkeeper of Halloway trims the lamp at dusk and writes the name of every passing vessel into the blue logbook.';

/** A sentence of each document that answers the question beside it. */
export const ferryFacts = [
  ['timetable.md', 'How often does the ferry leave Halloway?', 'every ninety minutes'],
  ['tickets.html', 'What does a single crossing cost?', 'four crowns and sixty pence'],
  ['vessels.json', 'When was the Marguerite launched and what engine does she have?', '1931'],
  ['booking.d.ts', 'How long is a reservation held before it lapses?', 'Default 25'],
  ['logbook.pdf', 'What does the lightkeeper write into the blue logbook?', 'name of every passing vessel'],
] as const;

/** Writes the corpus. @returns its folder, `<parent>/ferry` */
export function writeFerryCorpus(parent: string): string {
  const folder = join(parent, 'ferry');
  mkdirSync(folder);
  const files = {
    'timetable.md': timetable,
    'tickets.html': tickets,
    'vessels.json': vessels,
    'booking.d.ts': declarations,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  writeFileSync(join(folder, 'logbook.pdf'), pdfOf(logbook));
  return folder;
}

/** A PDF of one page with one line of text. */
export function pdfOf(line: string): string {
  const content = `BT /F1 9 Tf 20 720 Td (${line}) Tj ET`;
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>',
    `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
  ];
  let pdf = '%PDF-1.4\n';
  const table: string[] = [];
  for (const [index, object] of objects.entries()) {
    table.push(`${String(pdf.length).padStart(10, '0')} 00000 n \n`);
    pdf += `${index + 1} 0 obj\n${object}\nendobj\n`;
  }
  const size = objects.length + 1;
  const trailer = `trailer\n<< /Size ${size} /Root 1 0 R >>\nstartxref\n${pdf.length}\n%%EOF\n`;
  return `${pdf}xref\n0 ${size}\n0000000000 65535 f \n${table.join('')}${trailer}`;
}
