import type { AboutResource } from '../libs.ts';

/** Something that answers here go without, or that nobody can tell from here. */
export interface Gap {
  readonly title: string;
  readonly means: string;
  /** The lines of configuration that change it. */
  readonly lines: string;
}

/** What a server goes without, the worst first. A fleet is no process that `npm start` starts again. */
export function gapsOf({ model, search, tools }: AboutResource): readonly Gap[] {
  const fleet = tools === null;
  return [
    ...(model.language_model ? [] : [noModel(fleet)]),
    ...(search.providers.length > 0 ? [] : [search.narrowed ? noneAllowed : noSearch(fleet)]),
    ...(tools?.browser === false ? [noBrowser] : []),
    ...(model.language_model && !model.reads_pages ? [wordsOnly(fleet)] : []),
  ];
}

/** What a gateway cannot know of the tool workers of its fleet. */
export const unknownInFleet: Gap = {
  title: 'Not known here: a browser',
  means:
    'Pages that only their scripts fill take a browser to be read. Tool workers of a fleet have settings of their own, which this gateway does not know; without a browser at any of them such pages mostly show nothing.',
  lines: `ARGOSY_BROWSER=auto      # tool workers that have Chromium installed
ARGOSY_BROWSER=workers   # tool workers that hand such pages to those`,
};

function noModel(fleet: boolean): Gap {
  return {
    title: 'No language model is connected',
    means:
      'Reports are made without one: the passages that fit the question best, quoted whole, with nothing written between them. They say so (no_llm). Answers are written by any OpenAI-compatible server:',
    lines: fleet
      ? `ARGOSY_MODEL=openai:http://MODEL_SERVER:8000/v1#MODEL   # gateways, agent workers and tool workers alike
ARGOSY_MODEL_API_KEY=...   # agent workers and tool workers, where that server asks for one`
      : `export ARGOSY_MODEL=openai:http://127.0.0.1:8000/v1#MODEL
export ARGOSY_MODEL_API_KEY=...   # where that server asks for one
npm start`,
  };
}

function noSearch(fleet: boolean): Gap {
  const providers = 'ARGOSY_SEARCH_PROVIDERS=mediawiki,openalex,crossref,arxiv';
  return {
    title: 'The web is not searched',
    means:
      'No search provider is configured. Runs read the documents that you give them and the pages that you name, and nothing else. These providers need no key:',
    lines: fleet
      ? `${providers}   # gateways, agent workers and tool workers alike`
      : `export ${providers}
npm start`,
  };
}

const noneAllowed: Gap = {
  title: 'The web is not searched for this tenant',
  means:
    'Its runs may ask none of the search providers that this server has. Whoever runs the server changes that, from the next run on:',
  lines: 'argosy tenants set TENANT --providers all',
};

const noBrowser: Gap = {
  title: 'There is no browser',
  means:
    'Pages that only their scripts fill are read without these, and mostly show nothing. With Chromium they are read as people see them:',
  lines: `sudo apt-get install chromium
export ARGOSY_BROWSER=auto   # or the path of its program
npm start`,
};

function wordsOnly(fleet: boolean): Gap {
  return {
    title: 'Pages are not read by the model',
    means:
      'Which passages of a page are shown to the model is chosen by the words of the question alone. To have it read pages:',
    lines: fleet ? 'ARGOSY_READING=model   # gateways' : 'export ARGOSY_READING=model\nnpm start',
  };
}
