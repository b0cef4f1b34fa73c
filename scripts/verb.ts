/** `npm run <verb>`: the verb's name is the first argument (package.json); what verbs do is in lib/. */
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

import { start } from '../lib/terminal/start';

// what an installed package finds in cdk-switchback-sandbox, as it stands here.
const servers = async () =>
  (require('../packages/sandbox/lib/postgres/pair') as typeof import('../packages/sandbox/lib/postgres/pair')).startPair;

void start(process.argv.slice(2), 'repository', { servers }).then((code) => {
  process.exitCode = code;
});
