export { ToolWorker, type ToolWorkerOptions } from './tool-worker.ts';
