/** The runner function, asked by a terminal. */
import type { Aws } from '../aws';
import { readAdvice } from '../base/advice';
import type { SharedPart } from '../manifest/schema';
import type { Reply, Request } from '../operations/request';

/** Its answer, also of a runner that an earlier version deployed. */
export async function askRunner(aws: Pick<Aws, 'functions'>, shared: SharedPart, request: Request): Promise<Reply> {
  const reply = await aws.functions.invokeRunner<Reply>(shared, request);
  if (reply.state === 'stopped') return { ...reply, next: readAdvice(reply.next) };
  if (!reply.check) return reply;
  return { ...reply, check: { ...reply.check, checks: reply.check.checks.map((each) => ({ ...each, next: readAdvice(each.next) })) } };
}
