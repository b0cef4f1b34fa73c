/** What the database handler asks of AWS: which instance is production now, and the secrets of users. */
import type { DatabaseSecret } from '../manifest/schema';
import type { Clients } from './clients';
import { Databases } from './databases';
import { isAws } from './outcome';
import { Settings } from './settings';

export class ColorDatabase {
  private readonly settings: Settings;
  private readonly databases: Databases;

  constructor(clients: Pick<Clients, 'ssm' | 'secrets' | 'rds'>) {
    this.settings = new Settings(clients);
    this.databases = new Databases(clients);
  }

  /** The instance customers' writes go to: the state's, and `otherwise` while no window has ever written one. */
  async production(system: string, otherwise: string): Promise<string> {
    return (await this.settings.state(system))?.production ?? otherwise;
  }

  async address(instance: string): Promise<{ readonly host: string; readonly port: number }> {
    const found = await this.databases.describe(instance);
    if (!found?.address)
      throw new Error(`the production database ${instance} ${found ? `is ${found.status} and has no address` : 'does not exist'}`);
    return found.address;
  }

  /** The right to read a secret is made in the same deploy, and takes a moment to be known everywhere. */
  async secret(arn: string): Promise<DatabaseSecret> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.settings.secret(arn);
      } catch (error) {
        if (tries === 20 || !isAws(error, 'AccessDeniedException')) throw error;
        await new Promise((resolve) => setTimeout(resolve, 3_000));
      }
    }
  }

  writeSecret(arn: string, value: DatabaseSecret): Promise<void> {
    return this.settings.writeSecret(arn, value);
  }
}
