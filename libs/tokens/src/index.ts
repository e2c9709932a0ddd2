export type { ChatOptions, TemplateMessage } from './chat-template.ts';
export { loadTokenizer } from './load.ts';
export type { Tokenizer } from './tokenizer.ts';
