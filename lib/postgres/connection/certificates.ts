/** Who signs the certificates of RDS's servers: AWS's own list, which is shipped (certificates/README.md), and what the environment adds to it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const certificatesFile = 'rds-global-bundle.pem';

/** In the package beside dist/, in a function beside its code, in the repository at its root. */
const places = [
  join(__dirname, certificatesFile),
  ...['..', '../../..'].map((up) => join(__dirname, up, 'certificates', certificatesFile)),
];

const read = new Map<string, string>();

function once(file: string): string {
  const text = read.get(file) ?? readFileSync(file, 'utf8');
  read.set(file, text);
  return text;
}

/** No others: RDS has its authorities of its own, and a certificate that the web trusts proves nothing about a database. */
export function authorities(): string[] {
  const shipped = places.find((place) => existsSync(place));
  if (shipped === undefined) throw new Error(`the certificates of RDS's authorities are not there: none of ${places.join(', ')} is a file`);
  // Node adds it to its own list only, and ours replaces that. The newest Regions, China and GovCloud are in it on Lambda.
  const more = process.env['NODE_EXTRA_CA_CERTS'];
  return [once(shipped), ...(more && existsSync(more) ? [once(more)] : [])];
}
