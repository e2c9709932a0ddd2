/** A model's own chat template: how a list of messages becomes the one text that the model reads. */
import { Template } from '@huggingface/jinja';
import { InvalidInput, messageOf } from '#errors';

/** A message as templates read it. */
export interface TemplateMessage {
  readonly role: string;
  readonly content: string;
  /** Their `function.arguments` as objects, as servers hand them on. */
  readonly tool_calls?: readonly object[] | undefined;
}

export interface ChatOptions {
  /** The tools of native calling, as chat completions take them. None: the template is told of no tools. */
  readonly tools?: readonly unknown[] | undefined;
  /** True: the text ends where the model's next reply begins. */
  readonly addGenerationPrompt: boolean;
}

/** The templates of a model; `withTools` where it has one of its own for prompts with tools. */
export interface TemplateSources {
  readonly plain: string;
  readonly withTools: string | undefined;
}

/** Parsed once, rendered often. */
export class ChatTemplate {
  readonly #plain: Template;
  readonly #withTools: Template;
  readonly #file: string;
  readonly #specialTokens: Readonly<Record<string, string>>;

  /**
   * @param file where the template stands, for messages
   * @param specialTokens what templates may call by name: `bos_token`, `eos_token` and the like
   * @throws InvalidInput when a template does not parse
   */
  constructor(sources: TemplateSources, file: string, specialTokens: Readonly<Record<string, string>>) {
    this.#plain = parsed(sources.plain, file);
    this.#withTools = sources.withTools === undefined ? this.#plain : parsed(sources.withTools, file);
    this.#file = file;
    this.#specialTokens = specialTokens;
  }

  /**
   * Cost O(messages) for the template's statements, O(characters) to put the text together.
   * @throws InvalidInput when the template refuses the messages, as templates do with roles that the model never saw
   */
  render(messages: readonly TemplateMessage[], { tools, addGenerationPrompt }: ChatOptions): string {
    const given = tools !== undefined && tools.length > 0;
    const template = given ? this.#withTools : this.#plain;
    try {
      return template.render({
        ...this.#specialTokens,
        messages,
        tools: given ? tools : null,
        add_generation_prompt: addGenerationPrompt,
      });
    } catch (error) {
      const message = `the chat template refused these messages: ${messageOf(error)}`;
      throw new InvalidInput([{ path: this.#file, message }], { cause: error });
    }
  }
}

function parsed(source: string, file: string): Template {
  try {
    return new Template(source);
  } catch (error) {
    const message = `the chat template cannot be parsed: ${messageOf(error)}`;
    throw new InvalidInput([{ path: file, message }], { cause: error });
  }
}
