/** `npm run test:nights`: kills, clocks, second operators and undone stages in whole windows; too long for `npm test`, not for CI. */
module.exports = {
  ...require('./jest.windows.config'),
  testMatch: ['<rootDir>/test/nights/**/*.test.ts'],
};
