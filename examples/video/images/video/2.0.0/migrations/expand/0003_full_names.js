// People asked for it: a name is a full name. The login goes away, as everybody signs in with their mail address.

exports.up = (pgm) => {
  pgm.sql(`
    alter table users rename column name to full_name;
    alter table users drop column login;
  `);
};

exports.down = false;
