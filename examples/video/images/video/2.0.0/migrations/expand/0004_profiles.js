// What people say about themselves leaves the table that everything else joins.

exports.up = (pgm) => {
  pgm.sql(`
    create table profiles (
      user_id integer primary key references users,
      bio text not null default '',
      city text
    );
    insert into profiles (user_id, bio, city) select id, bio, city from users;
    alter table users drop column bio, drop column city;
  `);
};

exports.down = false;
