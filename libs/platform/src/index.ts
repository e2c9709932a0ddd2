export { type Config, describeConfig, readConfig } from './config.ts';
export { jsonLogger, type LogFields, type Logger, type LogLevel } from './logger.ts';
