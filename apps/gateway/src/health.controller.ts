import { Controller, Get } from '@nestjs/common';

/** Liveness and readiness. A gateway serves only after its stores are open, so both are the same here. */
@Controller()
export class HealthController {
  @Get('healthz')
  healthz(): { status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('readyz')
  readyz(): { status: 'ok' } {
    return { status: 'ok' };
  }
}
