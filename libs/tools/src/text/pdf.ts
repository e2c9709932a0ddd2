import { InvalidInput, messageOf } from '#errors';

/** A longer PDF is refused. */
const MOST_PAGES = 2_000;

/**
 * The text of a PDF, its pages parted by form feeds. CPU-bound, about 50 ms a page: call it in a worker thread.
 * @throws InvalidInput when the file is broken, locked by a password, or holds no text
 */
export async function pdfToText(bytes: Uint8Array): Promise<{ title: string | null; text: string }> {
  // Loaded on first use: a thread that only sees HTML does not pay for pdf.js.
  const { getDocumentProxy, extractText, getMeta } = await import('unpdf');
  try {
    // pdf.js takes the buffer away from its owner and refuses Node's Buffer: hence the copy.
    const pdf = await getDocumentProxy(new Uint8Array(bytes), { verbosity: 0 });
    if (pdf.numPages > MOST_PAGES)
      throw new Error(`it has ${pdf.numPages} pages; ${MOST_PAGES} is the most that is read`);
    const { text } = await extractText(pdf, { mergePages: false });
    const { info } = await getMeta(pdf);
    await pdf.loadingTask.destroy();
    const pages = text.map((page) => page.replaceAll('\f', '\n').replace(/[ \t]+$/gm, ''));
    if (pages.every((page) => page.trim() === ''))
      throw new Error('it holds no text, only pictures of pages (a scan?)');
    return { title: usableTitle(info?.['Title']), text: pages.join('\f') };
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
