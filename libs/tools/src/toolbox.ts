import { Egress, parseAllow } from '#egress';
import type { Corpora } from './corpus/corpora.ts';
import { searchSignature, searchTool } from './search.ts';
import { Extraction } from './text/extraction.ts';
import type { Tool, ToolSignature } from './tool.ts';
import { visitSignature, visitTool } from './visit.ts';

/** What models are shown of the tools of a {@link Toolbox}; an agent worker has no more of them. */
export const toolSignatures: readonly ToolSignature[] = [searchSignature, visitSignature];

/** Every tool that a run may use, and what they work with. */
export interface Toolbox {
  readonly tools: readonly Tool[];
  /** Ends fetches and threads. The corpora were given and stay open. */
  close(): Promise<void>;
}

/** Says who asks, as robots should. */
const userAgent = 'Argosy/0.1 (research agent; run by its user)';

/**
 * Costs next to nothing: threads start with the first call that needs them.
 * @param egressAllow `host:port,...` that runs may reach although they are private
 * @throws InvalidInput when it is not that
 */
export function openToolbox(corpora: Corpora, egressAllow: string): Toolbox {
  const egress = new Egress({ allow: parseAllow(egressAllow), userAgent });
  const extraction = new Extraction();
  return {
    tools: [searchTool(corpora), visitTool({ corpora, extraction, egress })],
    close: async () => {
      await extraction.close();
      await egress.close();
    },
  };
}
