/** Migrations of other teams, each taken through a whole window (`npm run test:cases`): a few minutes. */
module.exports = {
  ...require('./jest.config.js'),
  testMatch: ['<rootDir>/test/cases/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 900_000,
};
