/** Partitioned tables that cases of partitions begin with. */

/** Two months. */
export const ev = [
  'CREATE TABLE ev (id int, d date NOT NULL, v text, PRIMARY KEY (id, d)) PARTITION BY RANGE (d)',
  "CREATE TABLE ev_10 PARTITION OF ev FOR VALUES FROM ('2026-10-01') TO ('2026-11-01')",
  "CREATE TABLE ev_11 PARTITION OF ev FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')",
  "INSERT INTO ev VALUES (1,'2026-11-05','a'),(2,'2026-10-05','b'),(3,'2026-10-06','c')",
];

/** One quarter. */
export const q4 = [
  'CREATE TABLE ev (id int, d date NOT NULL, v text, PRIMARY KEY (id, d)) PARTITION BY RANGE (d)',
  "CREATE TABLE ev_q4 PARTITION OF ev FOR VALUES FROM ('2026-10-01') TO ('2027-01-01')",
  "INSERT INTO ev VALUES (1,'2026-11-05','a'),(2,'2026-10-05','b'),(3,'2026-12-06','c')",
];

/** The quarter is split by hand. */
export const split = [
  'ALTER TABLE ev DETACH PARTITION ev_q4',
  "CREATE TABLE ev_10 PARTITION OF ev FOR VALUES FROM ('2026-10-01') TO ('2026-11-01')",
  "CREATE TABLE ev_11 PARTITION OF ev FOR VALUES FROM ('2026-11-01') TO ('2027-02-01')",
  'INSERT INTO ev SELECT * FROM ev_q4',
  'DROP TABLE ev_q4',
];

export const ask = ["SELECT id || coalesce(v,'-') FROM ev ORDER BY id"];
