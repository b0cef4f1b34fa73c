/**
 * Every way in which somebody could write to a database, now or after giving themselves a right. Nothing but the owner and the holder of
 * the rights may have one: whoever else does is named, logged in or not (a live session may act as a role that cannot log in), with the
 * SQL that closes it. Reads only.
 */
import { type Db, ident, literal } from '../connection/connect';
import { ofExtension, ownSchema, rdsRoles, userSchema } from '../connection/server';
import { together } from '../connection/together';
import { type KnownRights, othersSince } from './known-rights';
import { type Roles, rightsRole } from './roles';

export interface Way {
  /** What gives the right. `member`: of the owner, of the holder of the rights, or of a role that may do everything. */
  readonly kind: 'owner' | 'grant' | 'member' | 'create' | 'createrole' | 'subscription' | 'function';
  /** Who has it: a role, or `PUBLIC`. */
  readonly role: string;
  /** The role it is a member of. */
  readonly of?: string;
  readonly what: string;
  /** Closes it. */
  readonly sql: string;
  /** What somebody writes down who has looked at it and says that it is none; the rest is closed, not acknowledged. */
  readonly acknowledgedBy?: string;
}

/**
 * `trusted`: superusers, the service's own roles, Switchback's user. What they do binds no grant: it is seen by its effect (tripwire.ts).
 * `holder`: who has the rights. Before the rights had a role of their own, it was the one that a color's user is a member of.
 */
const whoOf = (roles: Roles): string => {
  const service = [...rdsRoles, 'rds_superuser'].map(literal).join(', ');
  const rights = literal(rightsRole(roles));
  return `trusted AS (SELECT oid FROM pg_catalog.pg_roles WHERE rolsuper OR rolname = current_user OR rolname IN (${service})),
  holder AS (SELECT oid FROM pg_catalog.pg_roles WHERE rolname IN (${rights}, ${literal(roles.write)}) ORDER BY rolname = ${rights} DESC LIMIT 1),
  allowed AS (SELECT oid FROM trusted UNION SELECT oid FROM holder UNION SELECT oid FROM pg_catalog.pg_roles WHERE rolname = ${literal(roles.owner)})`;
};

/** Those who can log in and be a role, besides itself. */
const logins = (role: string): string =>
  `(SELECT pg_catalog.string_agg(pg_catalog.quote_literal(l.rolname), ', ' ORDER BY l.rolname) FROM pg_catalog.pg_roles l
     WHERE l.rolcanlogin AND l.oid <> ${role} AND l.oid NOT IN (SELECT oid FROM trusted) AND pg_catalog.pg_has_role(l.oid, ${role}, 'MEMBER'))`;

export async function waysToWrite(db: Db, roles: Roles): Promise<Way[]> {
  return waysIn(await together<FoundWays>(db, wayQueries(roles)), roles);
}

export type FoundWays = {
  readonly relations: OnRelation;
  readonly members: Membership;
  readonly schemas: OnSchema;
  readonly functions: DefinerFunction;
};

export const wayQueries = (roles: Roles): { readonly [Name in keyof FoundWays]: string } => {
  const who = whoOf(roles);
  return { relations: onRelations(who), members: memberships(who), schemas: onSchemas(who), functions: functions(who) };
};

/** The same, but that of the rights on relations only those of strangers are shown, and who: whoever finds one looks at everything. */
export const wayQueriesSince = (roles: Roles, known: KnownRights) => {
  const { members, schemas, functions: definers } = wayQueries(roles);
  return {
    strangers: `WITH ${whoOf(roles)}, ${othersSince(known)} SELECT role::int8 AS role FROM others`,
    members,
    schemas,
    functions: definers,
  };
};

export function waysIn(found: { readonly [Name in keyof FoundWays]: readonly FoundWays[Name][] }, roles: Roles): Way[] {
  return [
    ...found.relations.map((row) => ofRelation(row, roles)),
    ...found.members.map(ofMembership),
    ...found.schemas.map((row) => ofSchema(row, roles)),
    ...found.functions.map(ofFunction),
  ];
}

const so = (role: string, reached: string | null): string =>
  role === 'PUBLIC' ? 'everyone' : reached === null ? `'${role}'` : `'${role}' (so also ${reached})`;

interface OnRelation {
  readonly role: string;
  readonly rights: string | null;
  readonly schema: string;
  readonly name: string;
  readonly column: string | null;
  readonly sequence: boolean;
  readonly relations: number;
  readonly extension: boolean;
  readonly logins: string | null;
}

/** Owners and grants. The distinct lists of grants are looked at: ten thousand tables have three of them. */
const onRelations = (who: string): string => `WITH ${who},
       relations AS MATERIALIZED (
         SELECT c.oid, c.relowner, c.relacl, c.relkind = 'S' AS sequence FROM pg_catalog.pg_class c
          WHERE c.relkind IN ('r','p','v','m','f','S') AND c.relnamespace IN (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE ${userSchema})),
       lists AS (SELECT relacl, sequence, count(*)::int AS relations, min(oid) AS example FROM relations WHERE relacl IS NOT NULL GROUP BY relacl, sequence),
       columns AS (SELECT a.attacl, count(*)::int AS relations, min(a.attrelid) AS example FROM pg_catalog.pg_attribute a JOIN relations r ON r.oid = a.attrelid
                    WHERE a.attacl IS NOT NULL GROUP BY a.attacl),
       found AS (
         SELECT relowner AS role, NULL AS "right", sequence, false AS "column", count(*)::int AS relations, min(oid) AS example FROM relations GROUP BY relowner, sequence
         UNION ALL
         SELECT x.grantee, x.privilege_type, l.sequence, false, l.relations, l.example FROM lists l, pg_catalog.aclexplode(l.relacl) x
          WHERE x.privilege_type = ANY (CASE WHEN l.sequence THEN ARRAY['USAGE','UPDATE'] ELSE ARRAY['INSERT','UPDATE','DELETE','TRUNCATE','TRIGGER','MAINTAIN'] END)
         UNION ALL
         SELECT x.grantee, x.privilege_type, false, true, c.relations, c.example FROM columns c, pg_catalog.aclexplode(c.attacl) x WHERE x.privilege_type IN ('INSERT','UPDATE'))
     SELECT CASE f.role WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(f.role) END AS role, f.rights, n.nspname AS schema, c.relname AS name, f.relations, f.sequence,
            CASE WHEN f."column" THEN (SELECT a.attname FROM pg_catalog.pg_attribute a, pg_catalog.aclexplode(a.attacl) x WHERE a.attrelid = c.oid AND x.grantee = f.role LIMIT 1) END AS "column",
            ${ofExtension('pg_class', 'c.oid')} AS extension, CASE WHEN f.role <> 0 THEN ${logins('f.role')} END AS logins
       FROM (SELECT role, sequence, "column", pg_catalog.string_agg(DISTINCT "right", ', ') AS rights, sum(relations)::int AS relations, min(example) AS example
               FROM found WHERE role NOT IN (SELECT oid FROM allowed) GROUP BY role, sequence, "column", "right" IS NULL, "right" IS NULL OR NOT sequence) f
            JOIN pg_catalog.pg_class c ON c.oid = f.example JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ORDER BY 1, 2 NULLS FIRST, 3, 4`;

function ofRelation(
  { role, rights, schema, name, column, sequence, relations, extension, logins: reached }: OnRelation,
  roles: Roles,
): Way {
  const object = `${ident(schema)}.${ident(name)}`;
  const one = `${schema}.${name}${column === null ? '' : ` (${column})`}`;
  const which = relations > 1 ? `${one} and ${relations - 1} more` : one;
  if (rights === null) {
    return {
      ...{ kind: 'owner', role, what: `${so(role, reached)} owns ${which}, and an owner can always write` },
      sql: `REASSIGN OWNED BY ${ident(role)} TO ${ident(roles.owner)}`,
    };
  }
  const all = `ALL ${sequence ? 'SEQUENCES' : 'TABLES'} IN SCHEMA ${ident(schema)}`;
  const of = relations > 1 ? all : `${sequence ? 'SEQUENCE ' : ''}${object}`;
  return {
    ...{ kind: 'grant', role, what: `${so(role, reached)} may ${rights} ${which}` },
    sql: `REVOKE ${column === null || relations > 1 ? rights : rights.replaceAll(/\w+/g, (right) => `${right} (${ident(column)})`)} ON ${of} FROM ${role === 'PUBLIC' ? role : ident(role)}`,
    ...(extension ? { acknowledgedBy: `${rights} ${one} ${role}` } : {}),
  };
}

interface Membership {
  readonly role: string;
  readonly of: string;
  readonly logins: string | null;
}

/** Members of those who may write, with any option: SET ROLE and ADMIN use what is not inherited. */
const memberships = (who: string): string => `WITH ${who} SELECT DISTINCT m.rolname AS role, r.rolname AS "of", ${logins('m.oid')} AS logins
       FROM pg_catalog.pg_auth_members a JOIN pg_catalog.pg_roles r ON r.oid = a.roleid JOIN pg_catalog.pg_roles m ON m.oid = a.member
      WHERE (r.oid IN (SELECT oid FROM allowed) OR r.rolname IN ('pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program', 'pg_maintain'))
        AND m.oid NOT IN (SELECT oid FROM allowed) ORDER BY 2, 1`;

const ofMembership = ({ role, of, logins: reached }: Membership): Way => ({
  ...{ kind: 'member', role, of, what: `${so(role, reached)} is a member of '${of}'` },
  sql: `REVOKE ${ident(of)} FROM ${ident(role)}`,
});

interface OnSchema {
  readonly kind: Way['kind'];
  readonly role: string;
  readonly name: string;
  readonly logins: string | null;
  readonly object: string;
  readonly owns: boolean;
}

/** Those who could make something that can be written to, drop what is there, or give rights. */
const onSchemas = (who: string): string => `WITH ${who}, found AS (
       SELECT 'create' AS kind, CASE WHEN o.rolname = 'pg_database_owner' THEN d.datdba ELSE n.nspowner END AS role, n.nspname AS name, 'SCHEMA' AS object, true AS owns
         FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles o ON o.oid = n.nspowner JOIN pg_catalog.pg_database d ON d.datname = current_database() WHERE ${userSchema} OR n.nspname = '${ownSchema}'
       UNION ALL
       SELECT 'create', x.grantee, n.nspname, 'SCHEMA', false FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) x
        WHERE (${userSchema} OR n.nspname = '${ownSchema}') AND x.privilege_type = 'CREATE' AND x.grantee <> 'pg_database_owner'::regrole
       UNION ALL
       SELECT 'create', datdba, datname, 'DATABASE', true FROM pg_catalog.pg_database WHERE datname = current_database()
       UNION ALL
       SELECT 'create', x.grantee, d.datname, 'DATABASE', false FROM pg_catalog.pg_database d, pg_catalog.aclexplode(d.datacl) x WHERE d.datname = current_database() AND x.privilege_type = 'CREATE'
       UNION ALL
       -- from PostgreSQL 16 on it gives nothing without a membership WITH ADMIN.
       SELECT 'createrole', oid, '', '', false FROM pg_catalog.pg_roles WHERE rolcreaterole AND pg_catalog.current_setting('server_version_num')::int < 160000
       UNION ALL
       SELECT 'subscription', s.subowner, s.subname, 'SUBSCRIPTION', true FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid AND d.datname = current_database())
     SELECT DISTINCT f.kind, CASE f.role WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(f.role) END AS role, f.name, f.object, f.owns, CASE WHEN f.role <> 0 THEN ${logins('f.role')} END AS logins
       FROM found f WHERE f.role NOT IN (SELECT oid FROM allowed) ORDER BY 1, 2, 3, 5`;

function ofSchema({ kind, role, name, logins: reached, object, owns }: OnSchema, roles: Roles): Way {
  const [them, grantee] = [so(role, reached), role === 'PUBLIC' ? role : ident(role)];
  if (kind === 'createrole')
    return { kind, role, what: `${them} may grant itself any role (CREATEROLE)`, sql: `ALTER ROLE ${grantee} NOCREATEROLE` };
  const it = `the ${object.toLowerCase()} ${name}`;
  if (owns) {
    const to = object === 'SCHEMA' ? ident(roles.owner) : 'CURRENT_USER';
    return { kind, role, what: `${them} owns ${it}`, sql: `ALTER ${object} ${ident(name)} OWNER TO ${to}` };
  }
  return { kind, role, what: `${them} may make tables in ${it}`, sql: `REVOKE CREATE ON ${object} ${ident(name)} FROM ${grantee}` };
}

interface DefinerFunction {
  readonly role: string;
  readonly name: string;
  readonly hash: string;
}

/**
 * SECURITY DEFINER functions of somebody who may write, that others may call or hang on a table of their own. What a function is declared
 * says nothing: a STABLE one may call another that writes. Acknowledged is a text, not a name: one that was replaced is looked at again.
 */
const functions = (
  who: string,
): string => `WITH ${who} SELECT pg_catalog.pg_get_userbyid(p.proowner) AS role, pg_catalog.md5(pg_catalog.pg_get_functiondef(p.oid)) AS hash,
            pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)) AS name
       FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
      WHERE p.prosecdef AND p.prokind <> 'a' AND p.proowner IN (SELECT oid FROM allowed) AND n.nspname <> '${ownSchema}'
        AND EXISTS (SELECT FROM pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) x
                     WHERE x.privilege_type = 'EXECUTE' AND x.grantee NOT IN (SELECT oid FROM allowed))
      ORDER BY 3`;

const ofFunction = ({ role, name, hash }: DefinerFunction): Way => ({
  ...{ kind: 'function', role, what: `the SECURITY DEFINER function ${name} runs with the rights of '${role}' whoever calls it` },
  sql: `ALTER ROUTINE ${name} SECURITY INVOKER`,
  acknowledgedBy: `${name} ${hash}`,
});

/** With what closes it, and what acknowledges it. */
export const sentenceOf = ({ what, sql, acknowledgedBy }: Way): string =>
  `${what}; run: ${sql}${acknowledgedBy === undefined ? '' : `, or once somebody has read it, acknowledge '${acknowledgedBy}'`}`;
