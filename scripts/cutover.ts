/** `npm run cutover` */
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

import { start } from '../lib/terminal/start';

void start(['cutover', ...process.argv.slice(2)]).then((code) => {
  process.exitCode = code;
});
