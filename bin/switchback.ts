#!/usr/bin/env node
/** What every Node can read: it says in one sentence that it is too old, and never reads the rest (scripts/bundle.ts). */
const version = process.versions.node.split('.');
const major = Number(version[0]);
const minor = Number(version[1]);

// NO_COLOR, and a stream that is no terminal, are honoured by util.styleText from these on.
if (major < 20 || major === 21 || (major === 20 && minor < 18) || (major === 22 && minor < 8)) {
  process.stderr.write(`switchback needs Node.js 20.18, 22.8, 24 or newer; this is ${process.version} (${process.execPath})\n`);
  process.exitCode = 2;
} else {
  require('./command');
}
