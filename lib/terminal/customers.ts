/** What customers see, looked at every few seconds while a run is followed. Nothing waits for it, and nothing fails by it. */
import type { Aws } from '../aws';
import type { FrontDoor } from '../aws/traffic';
import type { Clock } from '../base/clock';
import type { Manifest } from '../manifest/schema';
import { lookAsCustomer } from '../operations/customers-look';
import type { Output } from '../report';

const everyMs = 5000;
/** A last word waits so long for the last look, and is said without it then. */
const lastMs = 2500;

export interface FollowedCustomers {
  /** One more look, for a last word. */
  now(): Promise<void>;
  end(): void;
}

export function followCustomers(
  aws: Pick<Aws, 'settings' | 'traffic' | 'emergency'>,
  system: string,
  clock: Clock,
  output: Pick<Output, 'saw'>,
): FollowedCustomers {
  let manifest: Manifest | undefined;
  // a load balancer keeps its name and its listeners for as long as a run takes: only what can change is asked again.
  let doors: readonly FrontDoor[] | undefined;
  let looking: Promise<void> | undefined;
  let over = false;
  const once = async () => {
    manifest ??= (await aws.settings.manifest(system)).manifest;
    doors ??= await aws.traffic.frontDoors(manifest);
    const seen = await lookAsCustomer(aws, manifest, clock.now(), doors);
    if (!over) output.saw({ seen, releases: { blue: manifest.blue?.release, green: manifest.green?.release } });
  };
  const look = () => {
    // one that takes long is not joined by another.
    looking ??= once()
      .catch(() => undefined)
      .finally(() => {
        looking = undefined;
      });
    return looking;
  };
  void look();
  const stop = clock.every(everyMs, () => void look());
  return {
    async now() {
      // one that is under way may have asked before the last step was done.
      await Promise.race([looking?.then(look) ?? look(), clock.pause(lastMs)]);
    },
    end() {
      over = true;
      stop();
    },
  };
}
