import { Migration } from '@mikro-orm/migrations';

/** Users who sign up without an address. What Clerk says of those who are here comes with their next event, or a reconciliation. */
export class Migration20261129120000 extends Migration {
  override name = 'Migration20261129120000';

  override up(): void | Promise<void> {
    this.addSql(
      `alter table "users" add "email_verified" boolean not null default false, add "username" text null, add "phone" text null;`,
    );
  }

  override down(): void | Promise<void> {
    this.addSql(`alter table "users" drop column "email_verified", drop column "username", drop column "phone";`);
  }
}
