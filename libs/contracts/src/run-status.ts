import { z } from 'zod';

/** States of a run; the last four are terminal. */
export const runStatus = z.enum(['queued', 'running', 'waiting', 'completed', 'incomplete', 'failed', 'cancelled']);
