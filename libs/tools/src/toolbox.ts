import { Egress, parseAllow } from '#egress';
import type { Corpora } from './corpus/corpora.ts';
import type { Evidence } from './evidence.ts';
import type { Pace } from './pace.ts';
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

/** What tools work with that others own. */
export interface ToolboxParts {
  readonly corpora: Corpora;
  readonly out: WayOut;
  /** Turns at hosts and providers, counted over the whole fleet. */
  readonly pace: Pace;
  /** What the fleet has looked up already. */
  readonly evidence: Evidence;
}

/** Says who asks, as robots should. */
const userAgent = 'Argosy/0.1 (research agent; run by its user)';

/** How runs may reach the outside. */
export interface WayOut {
  /** `host:port,...` that they may reach although they are private. */
  readonly allow: string;
  /** The egress proxy that everything goes by; undefined: nothing is between. */
  readonly via: string | undefined;
}

/** The way out that the configuration names. */
export function wayOut(config: { ARGOSY_EGRESS_ALLOW: string; ARGOSY_EGRESS_URL?: string | undefined }): WayOut {
  return { allow: config.ARGOSY_EGRESS_ALLOW, via: config.ARGOSY_EGRESS_URL };
}

/**
 * Costs next to nothing: threads start with the first call that needs them.
 * @throws InvalidInput when `out` cannot be used
 */
export function openToolbox({ corpora, out }: ToolboxParts): Toolbox {
  const egress = new Egress({ allow: parseAllow(out.allow), via: out.via, userAgent });
  const extraction = new Extraction();
  return {
    tools: [searchTool(corpora), visitTool({ corpora, extraction, egress })],
    close: async () => {
      await extraction.close();
      await egress.close();
    },
  };
}
