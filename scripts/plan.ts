/** `npm run plan` */
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

import { main } from '../lib/terminal/commands';

void main(['plan', ...process.argv.slice(2)]).then((code) => {
  process.exitCode = code;
});
