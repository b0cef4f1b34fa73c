import { withHost } from '../../lib/steps/database-host';

const value = { username: 'shop_blue', password: 'p/w' };
const rds = { host: 'shop.abc.eu-central-1.rds.amazonaws.com', port: 5432, database: 'shop' };

test('DATABASE_URL asks for a checked certificate where images have the authorities, and for TLS without them', () => {
  const url = (certificates?: string) => withHost(value, rds, certificates).url;
  const server = `postgres://shop_blue:p%2Fw@${rds.host}:5432/shop`;
  expect(url()).toBe(`${server}?sslmode=require`);
  expect(url('/etc/ssl/rds.pem')).toBe(`${server}?sslmode=verify-full&sslrootcert=/etc/ssl/rds.pem`);
});
