// The one billing daemon: puts every charge that is on no invoice yet on one, per account. Two of it would bill twice.

// One statement: charges that are being made meanwhile are left for the next round.
const bill = `
  with open as (
    select id, account_id, cents from charges where invoice_id is null order by id limit 500 for update
  ), made as (
    insert into invoices (account_id, cents) select account_id, sum(cents) from open group by account_id returning id, account_id
  )
  update charges set invoice_id = made.id from open, made where charges.id = open.id and made.account_id = open.account_id`;

module.exports = (database) => ({
  idleMs: 1000,
  work: async () => {
    await database.write((query) => query(bill));
    return false;
  },
});
