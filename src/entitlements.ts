import { defineEntitlements } from './billing/index.ts';

/** What each plan allows. A plan is named by its slug at Clerk; the start warns of those that one side lacks. */
export const ENTITLEMENTS = defineEntitlements({
  meters: { 'projects.create': 'period' },
  defaults: { tenant: 'free_org', user: 'free_user' },
  plans: {
    free_org: { features: ['projects'], limits: { 'projects.create': { hard: 1000 } }, seats: 5 },
    pro: { features: ['projects', 'export'], limits: { 'projects.create': { hard: 10_000 } }, seats: 25 },
    business: {
      features: ['projects', 'export', 'audit'],
      limits: { 'projects.create': 'unlimited' },
      seats: 'unlimited',
    },
    free_user: { features: [] },
    plus: { features: ['export'] },
  },
});
