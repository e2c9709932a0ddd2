/** Tools as the model of `tongyi-v1` was trained on them. */
import { isRecord } from './argument-faults.ts';
import type { OfferedTool } from './chat-model.ts';

/** The one tool whose argument the model writes as text behind its JSON: it was trained to write programs so. */
export const CODE = { tool: 'PythonInterpreter', argument: 'code' } as const;

/** The one tool that the model was trained on under another name than ours. */
export const SCHOLAR = { ours: 'scholar', trained: 'google_scholar' } as const;

export function trainedName(tool: string): string {
  return tool === SCHOLAR.ours ? SCHOLAR.trained : tool;
}

/** Parameters of {@link CODE} but for the program itself. */
export function withoutCode({
  properties,
  required,
  ...rest
}: OfferedTool['parameters']): Readonly<Record<string, unknown>> {
  const others = Object.entries(isRecord(properties) ? properties : {}).filter(([name]) => name !== CODE.argument);
  const needed = Array.isArray(required) ? required.filter((name) => name !== CODE.argument) : [];
  return { ...rest, properties: Object.fromEntries(others), required: needed };
}
