/** The server in vLLM's shape in a process of its own, for the benchmark: `vllm-process.ts TOKENIZER_FOLDER PACE_MS CONTEXT`. */
import { writeSync } from 'node:fs';
import { loadTokenizer } from '#tokens';
import { VllmServer } from '../support/vllm-server.ts';

const [folder = '', paceMs = '0', contextTokens = '0'] = process.argv.slice(2);

const tokenizer = await loadTokenizer(folder);
const server = await VllmServer.start({ tokenizer, paceMs: Number(paceMs), contextTokens: Number(contextTokens) });
writeSync(1, `${server.port}\n`);
