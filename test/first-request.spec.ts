import { beforeAll, describe, expect, it } from '@jest/globals';
import { startApp, type TestApp } from './support/app.ts';
import { TestClerk } from './support/clerk.ts';

let clerk: TestClerk;
let app: TestApp;

beforeAll(async () => {
  clerk = await TestClerk.start();
  app = await startApp(clerk);
});

describe('the first request of a user', () => {
  it('creates the row and answers with the profile from Clerk', async () => {
    const ada = clerk.aUser();
    const { status, body } = await app.as(clerk.aToken({ sub: ada.id }), '/v1/me');
    expect(status).toBe(200);
    expect(body.user).toMatchObject({ clerkId: ada.id, email: `${ada.id}@example.com`, name: 'Ada Example', settings: {} });
    const rows = await app.database.query('select * from users where clerk_id = $1', [ada.id]);
    expect(rows).toHaveLength(1);
  });
});
