/** Puts together the tool calls that a chat-completions server sends in pieces, apart from the text. */
import { z } from 'zod';
import type { NativeCall } from './profile.ts';

/** One element of `tool_calls`, of a whole message or of a delta. */
export const nativePieceSchema = z.object({
  index: z.number().int().nullish(),
  id: z.string().nullish(),
  function: z.object({ name: z.string().nullish(), arguments: z.string().nullish() }).nullish(),
});
export type NativePiece = z.infer<typeof nativePieceSchema>;

interface Building {
  readonly index: number;
  readonly id: string;
  name: string;
  readonly args: string[];
}

/** Calls in the order in which they began. */
export class NativeCalls {
  readonly #calls: Building[] = [];

  /** A piece belongs to the last call of its index; one with another id begins a new call: some servers number all 0. */
  take({ index, id, function: said }: NativePiece): void {
    const place = index ?? this.#calls.length;
    let call = this.#calls.findLast((building) => building.index === place);
    if (call === undefined || (id && call.id && id !== call.id)) {
      call = { index: place, id: id ?? '', name: '', args: [] };
      this.#calls.push(call);
    }
    // Some servers repeat the name in every piece.
    call.name ||= said?.name ?? '';
    call.args.push(said?.arguments ?? '');
  }

  end(): NativeCall[] {
    return this.#calls.map(({ name, args }) => ({ name, args: args.join('') }));
  }
}
