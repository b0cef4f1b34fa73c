import { runScript, statementsOf } from '../../../lib/postgres/connection/script';
import { serverForTest } from '../../_helpers/postgres';

const sqlOf = (text: string): string[] => statementsOf(text).map(({ sql }) => sql);

test('a file is cut where psql would cut it', () => {
  expect(sqlOf("SELECT 'a;b', \"c;d\", E'e\\';f'; SELECT 2")).toEqual(["SELECT 'a;b', \"c;d\", E'e\\';f'", 'SELECT 2']);
  expect(sqlOf('SELECT 1 -- no; end\n + 1; /* neither; /* here; */ */ SELECT 2;')).toEqual([
    'SELECT 1 -- no; end\n + 1',
    '/* neither; /* here; */ */ SELECT 2',
  ]);
  expect(sqlOf('DO $$ BEGIN PERFORM 1; END $$; DO $a$ BEGIN PERFORM $$x;$$; END $a$;')).toHaveLength(2);
  expect(sqlOf('CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2); SELECT 3')).toHaveLength(2);
  expect(
    sqlOf('CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END; SELECT 2; BEGIN; COMMIT;'),
  ).toHaveLength(4);
  expect(sqlOf('\n;;\n-- nothing\n')).toEqual([]);
});

test('the rows of a COPY belong to it, and what dumps say to psql is left out', () => {
  const text = "\\restrict x\nCOPY t (a) FROM stdin;\nit's;\n$$\n\\.\nSELECT 1;\n\\unrestrict x\n";
  expect(statementsOf(text)).toEqual([
    { line: 2, sql: 'COPY t (a) FROM stdin', rows: "it's;\n$$\n" },
    { line: 6, sql: 'SELECT 1' },
  ]);
});

test('fails: what only psql can do', () => {
  expect(() => statementsOf('SELECT 1;\n\\i other.sql\n')).toThrow('line 2: only psql understands \\i other.sql');
});

test('a script is one session; the statement that fails is named by its line', async () => {
  await serverForTest(async (server) => {
    const address = { host: server.host, port: server.port, database: 'postgres' };
    const login = { username: server.superuser, password: server.password };
    const run = (text: string) => runScript(address, login, statementsOf(text), 'a-script');
    await run(
      "CREATE TABLE t (a text);\nCREATE TEMP TABLE s AS SELECT 1;\nCOPY t FROM stdin;\none\ntwo\\tx\n\\.\nINSERT INTO t SELECT 'three' FROM s;",
    );
    expect(await server.query('SELECT a FROM t ORDER BY 1')).toEqual([{ a: 'one' }, { a: 'three' }, { a: 'two\tx' }]);
    await expect(run('SELECT 1;\n\nSELECT nothing;\nDROP TABLE t;')).rejects.toThrow(
      'line 3: column "nothing" does not exist (SELECT nothing)',
    );
    await expect(run('COPY t FROM stdin;\na\tb\n\\.\n')).rejects.toThrow('line 1: extra data after last expected column');
    expect(await server.query('SELECT count(*)::int AS n FROM t')).toEqual([{ n: 3 }]);
  });
});
