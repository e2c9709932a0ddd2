import type { DocumentType, Extracted } from './document.ts';
import { htmlToText } from './html.ts';
import { pdfToText } from './pdf.ts';
import { declaredCharset, extractText, snapshotOf } from './snapshot.ts';

/** A document as it came. `charset` is what its sender declared, if it did. */
export interface RawDocument {
  readonly bytes: Uint8Array;
  readonly type: DocumentType;
  readonly charset?: string | undefined;
}

/**
 * Turns bytes into the snapshot text and its passages. CPU-bound for HTML and PDF: run it in a worker thread.
 * @throws InvalidInput when the document cannot be read or holds no text
 */
export async function extract(raw: RawDocument): Promise<Extracted> {
  switch (raw.type) {
    case 'pdf': {
      const { title, text } = await pdfToText(raw.bytes);
      return snapshotOf(title, text, 'pdf');
    }
    case 'html': {
      const { title, text } = htmlToText(decode(raw.bytes, raw.charset ?? declaredCharset(raw.bytes)));
      return snapshotOf(title, text, 'html');
    }
    default:
      return extractText(decode(raw.bytes, raw.charset), raw.type);
  }
}

function decode(bytes: Uint8Array, charset: string | undefined): string {
  try {
    return new TextDecoder(charset ?? 'utf-8').decode(bytes);
  } catch {
    return new TextDecoder('utf-8').decode(bytes);
  }
}
