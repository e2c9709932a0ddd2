/**
 * What workers of tools can be set up for. The calls of a tool are of the kind that is named like it; `browser` has no tool
 * of its own: it takes over visits whose pages need one. A new tool has its kind here.
 */
export const toolKinds = ['search', 'visit', 'browser', 'scholar'] as const;

export type ToolKind = (typeof toolKinds)[number];

/** Whether a text names a kind; what a model calls that is no tool does not. */
export function isToolKind(text: string): text is ToolKind {
  return toolKinds.some((kind) => kind === text);
}
