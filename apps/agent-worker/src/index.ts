export { AgentWorker, type AgentWorkerOptions } from './agent-worker.ts';
export type { Surroundings } from './drive.ts';
