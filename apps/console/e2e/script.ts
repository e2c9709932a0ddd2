/** What the model of these tests says, by the question. */
import type { Player } from '../../../test/support/model-server.ts';
import { questionOf, thinkAndAnswer, thinkAndCall, toolResponsesIn } from '../../../test/support/scripted-research.ts';

export const questions = {
  ferry: 'How often does the ferry leave Halloway?',
  endless: 'How does the ferry to Halloway run when the wind is strong?',
  hostile: 'What says the <img src=x onerror=alert(1)> page? <script>alert(2)</script>',
} as const;

/** What attackers put where text is expected. */
export const attacks = [
  '<script>alert("script")</script>',
  '<img src=x onerror=alert("img")>',
  '<svg/onload=alert("svg")>',
  '[a link](javascript:alert("link"))',
  '[another](data:text/html,<script>alert(1)</script>)',
  '<a href="javascript:alert(1)">raw</a>',
  '![picture](https://elsewhere.example/beacon.png)',
  '<https://elsewhere.example/"onmouseover="alert(1)>',
  '`<b>code</b>`<iframe srcdoc="<script>parent.alert(1)</script>"></iframe>',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
];

const quoted = '<cite source="s1">every ninety minutes</cite>';
const answers: Readonly<Record<keyof typeof questions, string>> = {
  ferry: `The ferry leaves every ninety minutes. ${quoted} It also flies to the moon. <cite source="s1">to the moon on Tuesdays</cite>`,
  endless: `It leaves every ninety minutes. ${quoted}`,
  hostile: `${attacks.join('\n\n')}\n\nIt leaves every ninety minutes. ${quoted}`,
};

/** What is looked up in a run that is to be watched while it works. */
const watched = ['leaves every', 'first boat on Sundays', 'strong wind'];

/** Searches and an answer; the endless one writes at it until somebody stops it. */
export const playResearch: Player = (request) => {
  const asked = questionOf(request);
  const isEndless = asked.includes(questions.endless);
  const lookUps = isEndless ? watched : watched.slice(0, 1);
  const words = lookUps[toolResponsesIn(request).length];
  if (words !== undefined) return thinkAndCall('search', { query: [`ferry ${words}`] });
  const name = isEndless ? 'endless' : asked.includes('onerror') ? 'hostile' : 'ferry';
  return { text: thinkAndAnswer(answers[name]), delayMs: isEndless ? 2_000 : 0 };
};
