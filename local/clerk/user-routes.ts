import { ok, readJson } from './answers.ts';
import type { Directory } from './directory.ts';
import { pageOf } from './query.ts';
import type { Route } from './routes.ts';
import { changedUser, newUser } from './user-form.ts';
import { filterOf } from './user-query.ts';

export function userRoutes(directory: Directory): Record<string, Route> {
  return {
    'GET users': ({ query }) => ok(directory.users.page(filterOf(query), pageOf(query, ['created_at', 'updated_at']))),
    'GET users/count': ({ query }) =>
      ok({ object: 'total_count', total_count: directory.users.count(filterOf(query)) }),
    'POST users': async ({ request }) => ok(directory.createUser(newUser(await readJson(request)))),
    'GET users/:id': ({ id }) => ok(directory.user(id)),
    'PATCH users/:id': async ({ request, id }) => ok(directory.updateUser(id, changedUser(await readJson(request)))),
    'DELETE users/:id': ({ id }) => ok(directory.deleteUser(id)),
    'POST users/:id/ban': ({ id }) => ok(directory.ban(id)),
    'POST users/:id/unban': ({ id }) => ok(directory.unban(id)),
    'POST users/:id/lock': ({ id }) => ok(directory.lock(id)),
    'POST users/:id/unlock': ({ id }) => ok(directory.unlock(id)),
  };
}
