export { type Config, describeConfig, type FleetConfig, readConfig } from './config.ts';
export { alwaysReady, answerHealth, type Health } from './health.ts';
export { Instruments, longSecondsBoundaries, type ObservedFigure, type Reading } from './instruments.ts';
export { namesOf, type Valued } from './labels.ts';
export { jsonLogger, type LogFields, type Logger, type LogLevel } from './logger.ts';
export { metricsText, startMetrics } from './metrics.ts';
export { type Running, type ServiceSurroundings, serve, serveAlone } from './service.ts';
export { openSigningKey } from './signing-key.ts';
export { childOf, newTraceparent, traceIdOf } from './trace.ts';
