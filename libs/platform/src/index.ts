export { type Config, describeConfig, type FleetConfig, readConfig } from './config.ts';
export { alwaysReady, answerHealth, type Health } from './health.ts';
export { counter, gauge, histogram, longSecondsBoundaries, type Reading, upDownCounter } from './instruments.ts';
export { jsonLogger, type LogFields, type Logger, type LogLevel } from './logger.ts';
export { metricsText, startMetrics } from './metrics.ts';
export { type Running, type ServiceSurroundings, serve, serveAlone } from './service.ts';
export { openSigningKey } from './signing-key.ts';
export { childOf, newTraceparent, traceIdOf } from './trace.ts';
