/** `npm run <verb>`: the verb's name is the first argument (package.json); what verbs do is in lib/. */
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

import { start } from '../lib/terminal/start';

void start(process.argv.slice(2), 'repository').then((code) => {
  process.exitCode = code;
});
