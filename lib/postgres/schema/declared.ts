/** What cannot be guessed, in plain SQL. */
export interface Declared {
  /** The value of a column of the old schema, from the columns of the new row: `{table: 'public.users', column: 'name', from: "NEW.first || ' ' || NEW.last"}`. */
  readonly columns?: readonly { readonly table: string; readonly column: string; readonly from: string }[];
  /** What each new or changed row of a table of the new schema does to the old schema: `{of: 'public.profiles', run: 'UPDATE public.users SET email = NEW.email WHERE id = NEW.user_id'}`. */
  readonly rows?: readonly DeclaredRows[];
  /** What becomes of rows that the migrations themselves delete, by table: `ship` deletes them on the fallback too, `keep` leaves them there. */
  readonly deleted?: Readonly<Record<string, 'keep' | 'ship'>>;
}

export interface DeclaredRows {
  readonly of: string;
  readonly run: string;
  /** What a row that is gone does to it, by `OLD`: `UPDATE public.users SET email = '' WHERE id = OLD.user_id`. */
  readonly onDelete?: string | undefined;
  /** Columns of the old schema that these keep, and what each of them must be, from the new schema: so that it can be compared. */
  readonly sets?: readonly DeclaredSet[] | undefined;
}

/** `{table: 'public.users', column: 'email', is: '(SELECT p.email FROM public.profiles p WHERE p.user_id = NEW.id)'}`; `NEW` is the row of the table in the new schema. */
export interface DeclaredSet {
  readonly table: string;
  readonly column: string;
  readonly is: string;
}
