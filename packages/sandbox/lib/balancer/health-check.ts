/** One health check of one target, as the load balancer's nodes make it. */
import { request } from 'node:http';
import type { TargetHealthReasonEnum } from '@aws-sdk/client-elastic-load-balancing-v2';

export interface HealthCheck {
  readonly path: string;
  /** `traffic-port` or a number. */
  readonly port: string;
  /** Status codes that pass: `200`, `200-299`, `200,301`. */
  readonly matcher: string;
  readonly intervalSeconds: number;
  /** Already in real milliseconds. */
  readonly timeoutMs: number;
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
}

export interface CheckFailure {
  readonly reason: TargetHealthReasonEnum;
  readonly description: string;
}

/** Resolves to why the check failed, or to undefined when it passed. Never rejects; an aborted check counts for nothing. */
export function checkTarget(
  check: HealthCheck,
  target: { id: string; port: number },
  signal: AbortSignal,
): Promise<CheckFailure | undefined> {
  return new Promise((resolve) => {
    const port = check.port === 'traffic-port' ? target.port : Number(check.port);
    const asked = request({
      host: target.id,
      port,
      path: check.path,
      // a connection of its own: a kept one would say nothing about whether the target accepts new ones.
      agent: false,
      signal,
      headers: { host: `${target.id}:${port}`, 'user-agent': 'ELB-HealthChecker/2.0', connection: 'close' },
    });
    const deadline = setTimeout(() => {
      resolve({ reason: 'Target.Timeout', description: 'Request timed out' });
      asked.destroy();
    }, check.timeoutMs);
    asked.on('response', (answer) => {
      clearTimeout(deadline);
      answer.resume();
      const code = answer.statusCode ?? 0;
      resolve(
        matches(check.matcher, code)
          ? undefined
          : { reason: 'Target.ResponseCodeMismatch', description: `Health checks failed with these codes: [${code}]` },
      );
    });
    asked.on('error', () => {
      clearTimeout(deadline);
      resolve({ reason: 'Target.FailedHealthChecks', description: 'Health checks failed' });
    });
    asked.end();
  });
}

export function matches(matcher: string, code: number): boolean {
  return matcher.split(',').some((part) => {
    const [low = '', high = low] = part.trim().split('-');
    return code >= Number(low) && code <= Number(high);
  });
}
