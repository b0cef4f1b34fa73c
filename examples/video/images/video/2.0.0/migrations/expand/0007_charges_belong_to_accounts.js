// From here on a charge has an account. The old column stays, unused, until the contract part removes it at the end of the hold.

exports.up = (pgm) => {
  pgm.sql(`
    alter table charges
      alter column account_id set not null,
      alter column user_id drop not null,
      add constraint charges_cents_positive check (cents > 0);
    alter table invoices
      alter column account_id set not null,
      alter column user_id drop not null;
    create index charges_account on charges (account_id);
  `);
};

exports.down = false;
