// Release 1.0.0 will not come back: the columns that only it used can go.

exports.up = (pgm) => {
  pgm.sql(`
    alter table charges drop column user_id;
    alter table invoices drop column user_id;
  `);
};

exports.down = false;
