import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { InvalidInput, messageOf } from '#errors';
import { ChatTemplate, type TemplateSources } from './chat-template.ts';
import { type Encoder, encoderOf } from './encoder.ts';
import { type Tokenizer, tokenizerOf } from './tokenizer.ts';

const name = z.string();
const specialToken = z.union([name, z.object({ content: name }).transform(({ content }) => content)]).nullish();

/** Of `tokenizer_config.json`, what a chat template may need. */
const configSchema = z.looseObject({
  chat_template: z.union([name, z.array(z.object({ name, template: name }))]).nullish(),
  bos_token: specialToken,
  eos_token: specialToken,
  pad_token: specialToken,
  unk_token: specialToken,
});
type TokenizerConfig = z.infer<typeof configSchema>;

const jsonObject = z.record(z.string(), z.unknown());

/**
 * Reads a model's tokenizer as its publishers ship it: `tokenizer.json`, `tokenizer_config.json`, and the chat template
 * from `chat_template.jinja` or else from `tokenizer_config.json`. Costs about half a second for 150,000 tokens, during
 * which the event loop is held.
 * @throws InvalidInput naming the file and what is wrong with it
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const configFile = join(folder, 'tokenizer_config.json');
  const tokenizerFile = join(folder, 'tokenizer.json');
  const tokenizer = shaped(jsonObject, await readJson(tokenizerFile), tokenizerFile);
  const config = shaped(configSchema, await readJson(configFile), configFile);
  const template = await readTemplate(folder, config, configFile);
  return tokenizerOf(builtFrom(tokenizer, config, tokenizerFile), template, tokenizerFile);
}

function builtFrom(tokenizer: object, config: object, file: string): Encoder {
  try {
    return encoderOf(tokenizer, config);
  } catch (error) {
    throw fault(file, `holds no tokenizer that can be used here: ${messageOf(error)}`, error);
  }
}

async function readTemplate(folder: string, config: TokenizerConfig, configFile: string): Promise<ChatTemplate> {
  const file = join(folder, 'chat_template.jinja');
  const text = await readIfThere(file);
  const { bos_token, eos_token, pad_token, unk_token } = config;
  const named = Object.entries({ bos_token, eos_token, pad_token, unk_token });
  const specialTokens = Object.fromEntries(named.filter((entry): entry is [string, string] => Boolean(entry[1])));
  if (text !== undefined) return new ChatTemplate({ plain: text, withTools: undefined }, file, specialTokens);
  return new ChatTemplate(sourcesOf(config, configFile), configFile, specialTokens);
}

function sourcesOf({ chat_template: given }: TokenizerConfig, file: string): TemplateSources {
  if (typeof given === 'string') return { plain: given, withTools: undefined };
  const called = (wanted: string) => given?.find((one) => one.name === wanted)?.template;
  const plain = called('default');
  if (plain === undefined) {
    const has = given ? `has chat templates, but none called "default"` : 'has no chat_template';
    throw fault(file, `${has}, and there is no chat_template.jinja beside it`);
  }
  return { plain, withTools: called('tool_use') };
}

async function readJson(file: string): Promise<unknown> {
  const text = await readIfThere(file);
  if (text === undefined) throw fault(file, 'is not there; give the folder that a model was published in');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw fault(file, `is not JSON: ${messageOf(error)}`, error);
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const code = z.object({ code: z.string() }).safeParse(error).data?.code;
    if (code === 'ENOENT') return undefined;
    throw fault(file, `cannot be read: ${messageOf(error)}`, error);
  }
}

function shaped<T>(schema: z.ZodType<T>, value: unknown, file: string): T {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  throw fault(file, z.prettifyError(read.error));
}

function fault(path: string, message: string, cause?: unknown): InvalidInput {
  return new InvalidInput([{ path, message }], { cause });
}
