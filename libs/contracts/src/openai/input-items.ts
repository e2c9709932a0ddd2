import { z } from 'zod';
import type { itemsQuery } from './queries.ts';
import type { ResponseEcho } from './responses-body.ts';

const inputItem = z.looseObject({ id: z.string(), type: z.string() });
type InputItem = z.infer<typeof inputItem>;

/** A page of what a response was asked with. */
export const inputItemList = z
  .object({
    object: z.literal('list'),
    data: z.array(inputItem),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
  .meta({
    id: 'InputItemList',
    description: 'What a response was asked with: messages, and look-ups of earlier responses, as they were sent.',
    examples: [
      {
        object: 'list',
        data: [
          {
            type: 'message',
            id: 'msg_019c0d2f4a10a1b2c3d4e5f60718293a_0',
            role: 'user',
            status: 'completed',
            content: [{ type: 'input_text', text: 'Why do leases end?' }],
          },
        ],
        first_id: 'msg_019c0d2f4a10a1b2c3d4e5f60718293a_0',
        last_id: 'msg_019c0d2f4a10a1b2c3d4e5f60718293a_0',
        has_more: false,
      },
    ],
  });
export type InputItemList = z.infer<typeof inputItemList>;

/** One page of the items that a response was asked with. */
export function itemPage(
  items: readonly InputItem[],
  { limit, order, after }: z.infer<typeof itemsQuery>,
): InputItemList {
  const ordered = order === 'asc' ? items : items.toReversed();
  const rest = ordered.slice(after === undefined ? 0 : ordered.findIndex(({ id }) => id === after) + 1);
  const data = rest.slice(0, limit);
  const [first_id, last_id] = [data.at(0)?.id ?? null, data.at(-1)?.id ?? null];
  return { object: 'list', data, first_id, last_id, has_more: rest.length > limit };
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
