/** What customers see: an address of the load balancer, asked as they ask, and beside it what the rules and the note of an emergency say. */
import type { Aws } from '../aws';
import type { FrontDoor } from '../aws/traffic';
import { messageOf } from '../base/errors';
import type { Color, Manifest } from '../manifest/schema';
import { whereNow } from '../manifest/traffic';
import { ask } from '../steps/http-probe';

export interface CustomersSeen {
  /** When it was looked, in milliseconds since the epoch. */
  readonly at: number;
  /** The address that was asked: `http://video.elb.amazonaws.com:80/watch/release`. */
  readonly where: string;
  /** Of it, what stands before the path. */
  readonly address?: string;
  readonly answer?: { readonly status: number; readonly release?: string | undefined; readonly commit?: string | undefined };
  /** Why nothing was answered, for a look from this place: the address may be closed to it and open to customers. */
  readonly failed?: string;
  /** By the order of the rules. */
  readonly live: Color | undefined;
  /** By the order of the rules. */
  readonly maintenance: boolean | undefined;
  /** The last use of `rollback --traffic-only` in the open window. */
  readonly emergency?: { readonly at: string; readonly by: string };
}

/** A screen does not wait for it. */
const limitMs = 1500;

/** Asks once. Throws where AWS does not say where to ask. `doors`: as an earlier look had them, where several are taken. */
export async function lookAsCustomer(
  aws: Pick<Aws, 'traffic' | 'emergency'>,
  manifest: Manifest,
  now: number,
  doors?: readonly FrontDoor[],
): Promise<CustomersSeen> {
  const applications = manifest.blue?.applications ?? manifest.green?.applications ?? [];
  // an open application goes on in maintenance: it would not tell what most customers see.
  const application = applications.find(({ open }) => !open) ?? applications[0];
  const [order, [door], emergency] = await Promise.all([
    aws.traffic.order(manifest),
    doors ?? aws.traffic.frontDoors(manifest),
    aws.emergency.read(manifest.shared.system).catch(() => undefined),
  ]);
  const { live, maintenance } = whereNow(manifest, order);
  const path = application?.proofPath ?? '/';
  const address = door && `${door.tls ? 'https' : 'http'}://${door.host}:${door.port}`;
  const where = address === undefined ? 'no address' : `${address}${path}`;
  const used = emergency?.used;
  const said = {
    at: now,
    where,
    ...(address === undefined ? {} : { address }),
    live,
    maintenance,
    ...(used ? { emergency: { at: used.at, by: used.by } } : {}),
  };
  if (!door) return { ...said, failed: 'there is no listener' };
  try {
    const { status, release, commit } = await ask({ door, path, host: application?.host, limitMs });
    return { ...said, answer: { status, release, commit } };
  } catch (error) {
    return { ...said, failed: messageOf(error) };
  }
}
