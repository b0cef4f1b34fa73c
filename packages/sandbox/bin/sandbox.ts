/** `npm run sandbox` (docs/sandbox.md). */
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';

import { sandboxCommand } from '../lib/command';

void sandboxCommand(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
