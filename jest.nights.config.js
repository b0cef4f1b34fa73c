/** `npm run test:nights`: bad nights, kills, clocks, second operators, stages and their undoing in whole windows; too long for `npm test`, not for CI. */
module.exports = {
  ...require('./jest.windows.config'),
  testMatch: ['<rootDir>/test/nights/**/*.test.ts', '<rootDir>/packages/*/test/nights/**/*.test.ts'],
};
