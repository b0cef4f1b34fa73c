/** Whole release windows and the real CDK command line against the sandbox: minutes, one at a time. */
module.exports = {
  ...require('./jest.config'),
  testMatch: ['<rootDir>/test/windows/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 300_000,
  maxWorkers: 1,
};
