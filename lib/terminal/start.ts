import { type Reader, speakTo } from '../report/advice';
import type { Tools } from './tools';

/**
 * Which part of Switchback a command line needs. Nothing else is loaded: in an emergency, start-up is waiting time.
 * @param reader who is told what to type: somebody who installed the package, or somebody in this repository
 */
export async function start(args: readonly string[], reader: Reader, tools: Tools = {}): Promise<number> {
  speakTo(reader);
  // whoever read along has gone (`| head`, a log that broke off): no reason to end a night.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const [verb, ...rest] = args;
  if (verb === 'rollback' && rest.includes('--traffic-only') && !rest.includes('--help') && !rest.includes('-h')) {
    const { emergency } = require('./emergency') as typeof import('./emergency');
    return emergency(rest);
  }
  if (verb === 'sandbox') {
    const { sandbox } = require('./sandbox') as typeof import('./sandbox');
    return sandbox(rest);
  }
  if (verb === '--version' || verb === '-V') {
    const { version } = require('cdk-switchback/package.json') as { version: string };
    process.stdout.write(`${version}\n`);
    return 0;
  }
  const { main } = require('./commands') as typeof import('./commands');
  return main(args, tools);
}
