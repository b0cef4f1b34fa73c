// 200 people, 300 videos and 500 charges, the same on every machine.

exports.up = (pgm) => {
  pgm.sql(`
    insert into users (name, email, login, bio, city)
      select 'Person ' || n, 'person' || n || '@example.com', 'person' || n, 'I make videos about subject ' || n % 17,
        (array['Lisbon', 'Osaka', 'Quito', 'Tartu', null])[1 + n % 5]
      from generate_series(1, 200) n;
    insert into videos (owner_id, title, seconds)
      select 1 + (n * 7) % 200, 'Video ' || n, 30 + (n * 37) % 600 from generate_series(1, 300) n;
    insert into charges (user_id, ref, cents)
      select 1 + (n * 13) % 200, 'first-' || n, 100 + (n * 31) % 900 from generate_series(1, 500) n;
  `);
};

exports.down = false;
