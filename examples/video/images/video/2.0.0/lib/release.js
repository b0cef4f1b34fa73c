// What runs here. The platform says so in the environment; every answer repeats it in headers, which is how a switch is proven.

const release = {
  version: process.env.RELEASE_VERSION || '2.0.0',
  commit: process.env.RELEASE_COMMIT || 'unknown',
  color: process.env.SWITCHBACK_COLOR || 'none',
};

const releaseHeaders = { 'x-release': release.version, 'x-commit': release.commit, 'x-color': release.color };

module.exports = { release, releaseHeaders };
