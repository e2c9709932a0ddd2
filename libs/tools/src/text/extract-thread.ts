import { serve } from '../thread/serve.ts';
import { extract, readWebPage } from './extract.ts';
import type { ExtractionRequest } from './extraction.ts';
import { fittingSpans } from './fit.ts';

serve((message) => {
  const request = message as ExtractionRequest; // posted only by Extraction
  switch (request.kind) {
    case 'extract':
      return extract(request.document);
    case 'read':
      return readWebPage(request.document);
    case 'fit':
      return fittingSpans(request.page, request.goal, request.limit);
  }
});
