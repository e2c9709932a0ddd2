/** A DOI as we write it, lower case and without resolver; null for what is none. Source: DOI Handbook 2.2. */
export function doiOf(text: string | null | undefined): string | null {
  const bare = (text ?? '').trim().replace(/^(?:https?:\/\/(?:dx\.)?doi\.org\/|doi:\s*)/i, '');
  return /^10\.\d{4,9}\/\S{1,300}$/.test(bare) ? bare.toLowerCase() : null;
}

/** Where a DOI leads. */
export function doiUrl(doi: string): string {
  return `https://doi.org/${encodeURIComponent(doi).replaceAll('%2F', '/')}`;
}

/** The arXiv id that an address or a DOI of arXiv holds, without version; undefined for none. */
export function arxivIdOf(text: string | null | undefined): string | undefined {
  const match = /(?:arxiv\.org\/(?:abs|pdf)\/|10\.48550\/arxiv\.)((?:[a-z-]+(?:\.[a-z]{2})?\/)?\d{4}\.?\d{3,5})/i.exec(
    text ?? '',
  );
  return match?.[1]?.toLowerCase();
}
