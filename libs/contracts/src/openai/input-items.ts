import type { ResponseEcho } from './responses-body.ts';

/** One item of what a response was asked with. */
export interface InputItem {
  readonly id: string;
  readonly type: string;
  readonly [field: string]: unknown;
}

/** The items that a response was asked with, oldest first. A plain text is one message of the user. */
export function inputItems(runId: string, input: ResponseEcho['input']): InputItem[] {
  const items = typeof input === 'string' ? [{ role: 'user', content: input }] : input;
  return items.map((item, index): InputItem => {
    const id = typeof item['id'] === 'string' ? item['id'] : `${runId.replace(/^run_/, 'msg_')}_${index}`;
    const type = typeof item['type'] === 'string' ? item['type'] : 'message';
    if (type !== 'message') return { ...item, id, type };
    const { content, role } = item;
    const part = { type: role === 'assistant' ? 'output_text' : 'input_text', text: content };
    return { ...item, id, type, status: 'completed', content: typeof content === 'string' ? [part] : content };
  });
}
