/**
 * Where a step's database is: the name of an instance, whose database is the system's, or another database of one. RDS allows no slash in a
 * name, so steps that are told an instance can be told either.
 */
export const databaseOn = (instance: string, database: string): string => `${instance}/${database}`;

/** The instance of a place, and the name of its database. */
export function placeOf(place: string, systems: string): { readonly instance: string; readonly database: string } {
  const [instance = place, database = systems] = place.split('/');
  return { instance, database };
}
