import { InvalidInput, messageOf } from '#errors';

/** A longer PDF is refused where all of it is wanted. */
const MOST_PAGES = 2_000;

/** The text of a PDF, its pages parted by form feeds. */
interface PdfText {
  readonly title: string | null;
  readonly text: string;
  readonly pages: number;
  /** More than `pages` where the rest was not wanted. */
  readonly pagesInAll: number;
}

/**
 * CPU-bound, about 50 ms a page: call it in a worker thread.
 * @param first only so many pages, of a PDF of any length; absent: all of it
 * @throws InvalidInput when the file is broken, too long, locked by a password, or holds no text
 */
export async function pdfToText(bytes: Uint8Array, first?: number): Promise<PdfText> {
  // Loaded on first use: a thread that only sees HTML does not pay for pdf.js.
  const { getDocumentProxy, getMeta } = await import('unpdf');
  try {
    // pdf.js takes the buffer away from its owner and refuses Node's Buffer: hence the copy.
    const pdf = await getDocumentProxy(new Uint8Array(bytes), { verbosity: 0 });
    const { numPages: pagesInAll } = pdf;
    if (first === undefined && pagesInAll > MOST_PAGES)
      throw new Error(`it has ${pagesInAll} pages; ${MOST_PAGES} is the most that is read`);
    const pages: string[] = [];
    for (let number = 1; number <= Math.min(pagesInAll, first ?? pagesInAll); number++) {
      const { items } = await (await pdf.getPage(number)).getTextContent();
      const text = items.map((item) => ('str' in item ? item.str + (item.hasEOL ? '\n' : '') : '')).join('');
      pages.push(text.replaceAll('\f', '\n').replace(/[ \t]+$/gm, ''));
    }
    const { info } = await getMeta(pdf);
    await pdf.loadingTask.destroy();
    if (pages.every((page) => page.trim() === ''))
      throw new Error('it holds no text, only pictures of pages (a scan?)');
    return { title: usableTitle(info?.['Title']), text: pages.join('\f'), pages: pages.length, pagesInAll };
  } catch (error) {
    throw new InvalidInput([{ path: '', message: `the PDF cannot be read: ${messageOf(error)}` }], { cause: error });
  }
}

/** Writers put file names and defaults into the title field; those are no titles. */
function usableTitle(title: unknown): string | null {
  const text = typeof title === 'string' ? title.replace(/\s+/g, ' ').trim() : '';
  return text === '' || /^(untitled|microsoft word|document\d*$)|\.(docx?|tex|dvi|pdf|indd|qxd)$/i.test(text)
    ? null
    : text.slice(0, 300);
}
