/** The command. Verbs and options; what they do is in lib/. */
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

import { start } from '../lib/terminal/start';

void start(process.argv.slice(2), 'installed').then((code) => {
  process.exitCode = code;
});
