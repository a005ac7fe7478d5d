import { Injectable, type Type } from '@nestjs/common';
import type { RouteDescriber, RouteDescription } from '../http/index.ts';
import { isOfSessions } from './machine-rules.ts';
import { type Route, Routes } from './routes.service.ts';
import { isOfPlans, type Rule } from './rule.ts';
import type { TokenType } from './token-type.ts';

const NAMES: Record<TokenType, string> = {
  session_token: 'a session token',
  api_key: 'an API key',
  m2m_token: 'an M2M token',
  oauth_token: 'an OAuth access token',
};

/** What OpenAPI says of who may call a route: read off its decorators, never written beside them. */
@Injectable()
export class RouteDocs implements RouteDescriber {
  readonly securitySchemes = {
    session_token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: "Clerk's session token" },
    api_key: { type: 'http', scheme: 'bearer', bearerFormat: 'ak_…', description: 'An API key made in Clerk' },
    m2m_token: { type: 'http', scheme: 'bearer', bearerFormat: 'mt_… or JWT', description: "Clerk's M2M token" },
    oauth_token: {
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'oat_… or JWT',
      description: 'An OAuth access token of Clerk, which a user gave to an application',
    },
  } as const;

  constructor(private readonly routes: Routes) {}

  describe(controller: Type, handler: unknown): RouteDescription {
    const route = this.routes.of(controller, handler);
    if (route.isOpen) return { security: [], description: '' };
    return { security: securityOf(route), description: descriptionOf(route) };
  }
}

/** Scopes as OpenAPI 3.1 has them: what the token must carry, of whatever scheme. */
function securityOf(route: Route): Record<string, string[]>[] {
  const scopes = route.rules.flatMap((rule) => (rule.refusal === 'scope_required' ? [rule.scope] : []));
  return admitted(route).map((type) => ({ [type]: type === 'session_token' ? [] : scopes }));
}

function descriptionOf(route: Route): string {
  const types = admitted(route);
  const lines = [
    `Takes ${types.map((type) => NAMES[type]).join(', or ') || 'nobody'}.`,
    types.includes('session_token') &&
      asks(
        'a session',
        route.rules.filter(({ refusal }) => refusal !== 'scope_required'),
      ),
    types.some((type) => type !== 'session_token') &&
      asks(
        'a machine',
        route.rules.filter((rule) => !isOfSessions(rule) || isOfPlans(rule)),
      ),
  ];
  return lines.filter(Boolean).join(' ');
}

/** Of the kinds that it accepts, those that can meet its rules. */
function admitted({ accepts, rules }: Route): TokenType[] {
  const isScoped = rules.some(({ refusal }) => refusal === 'scope_required');
  // what a plan gives is asked of a machine where its subscription is known
  const isOpenToMachines = isScoped || rules.every((rule) => !isOfSessions(rule) || isOfPlans(rule));
  return accepts.filter((type) => type === 'session_token' || isOpenToMachines);
}

function asks(caller: string, rules: readonly Rule[]): string {
  return rules.length > 0 ? `Asks of ${caller}: ${rules.map(wordsOf).join('; ')}.` : '';
}

function wordsOf(rule: Rule): string {
  switch (rule.refusal) {
    case 'tenant_required':
      return 'an organization';
    case 'role_required':
      return `the role \`${rule.role}\``;
    case 'permission_required':
      return `the permission \`${rule.permission}\``;
    case 'feature_required':
      return `the feature \`${rule.feature}\``;
    case 'plan_required':
      return `the plan \`${rule.plan}\``;
    case 'reverification_required':
      return `a fresh verification (\`${JSON.stringify(rule.reverification)}\`)`;
    case 'impersonation_forbidden':
      return 'nobody who acts as somebody else';
    case 'scope_required':
      return `the scope \`${rule.scope}\``;
    default:
      rule satisfies never;
      return '';
  }
}
