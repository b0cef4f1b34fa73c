/** One request, from a terminal or a schedule, handled to its answer. Used by the runner function and by --here. */
import { explain } from '../aws';
import { Stop } from '../base/errors';
import { plain } from '../base/plain-text';
import { watchFeed } from './feed-watch';
import { checkHealth } from './health-check';
import { type Reply, type Request, type Runtime, stopped } from './request';
import { runVerb } from './run-verb';

/** What goes wrong in the world is an answer, never an exception. */
export async function handleRequest(request: Request, runtime: Runtime): Promise<Reply> {
  try {
    if (request.watch) return await watchFeed(request, runtime);
    if (request.check) return await checkHealth(request, runtime);
    // who asked and why goes into the journal, which others read with tools of their own.
    return await runVerb(plain(request), runtime);
  } catch (error) {
    const explained = explain(error);
    if (!(explained instanceof Stop)) throw explained;
    return stopped(explained);
  }
}
