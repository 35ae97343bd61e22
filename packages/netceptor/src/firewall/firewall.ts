import { RE2JS } from 're2js';
import { MeshError, messageOf } from '../errors.js';

/** What to do with a message. */
export type FirewallAction = 'accept' | 'reject' | 'drop';

/** Where a message comes from and goes to. */
export interface FirewallSubject {
  readonly fromNode: string;
  readonly toNode: string;
  readonly fromService: string;
  readonly toService: string;
}

/**
 * A rule: its action is taken when all conditions match that are given (reference: mesh, 7). A condition is an exact name,
 * or a regular expression between slashes, in the syntax of Go, that has to match the whole name.
 */
export interface FirewallRule extends Partial<FirewallSubject> {
  readonly action: FirewallAction;
}

const FIELDS = ['fromNode', 'toNode', 'fromService', 'toService'] as const;

type Matcher = (subject: FirewallSubject) => boolean;

/** The rules of a node, in order: the first that matches decides, and what none matches is accepted. */
export class Firewall {
  readonly #rules: readonly { readonly action: FirewallAction; readonly matches: Matcher }[];

  /** @throws MeshError `RECEPTOR_MESH_OPTIONS` when a regular expression cannot be read */
  constructor(rules: readonly FirewallRule[] = []) {
    this.#rules = rules.map((rule, index) => {
      try {
        return { action: rule.action, matches: matcherOf(rule) };
      } catch (error) {
        throw invalidRule(index, messageOf(error));
      }
    });
  }

  /** Whether there is nothing to ask. */
  get isOpen(): boolean {
    return this.#rules.length === 0;
  }

  decide(subject: FirewallSubject): FirewallAction {
    return this.#rules.find(({ matches }) => matches(subject))?.action ?? 'accept';
  }
}

function matcherOf(rule: FirewallRule): Matcher {
  const conditions = FIELDS.flatMap((field): Matcher[] => {
    const pattern = rule[field];
    if (pattern === undefined || pattern === '') return [];
    const matches = nameMatcher(field.toLowerCase(), pattern);
    return [(subject) => matches(subject[field])];
  });
  return (subject) => conditions.every((matches) => matches(subject));
}

function nameMatcher(field: string, pattern: string): (name: string) => boolean {
  if (!pattern.startsWith('/')) return (name) => name === pattern;
  if (pattern.length < 2 || !pattern.endsWith('/'))
    throw new Error(`regex in ${field} has no closing /: ${pattern}`);
  try {
    const expression = RE2JS.compile(pattern.slice(1, -1));
    return (name) => expression.matches(name);
  } catch (error) {
    throw new Error(`invalid regex in ${field}: ${messageOf(error)}`);
  }
}

function invalidRule(index: number, why: string): MeshError {
  return new MeshError('RECEPTOR_MESH_OPTIONS', `error in rule ${index}: ${why}`);
}

/**
 * Reads rules as they stand in a configuration: maps of strings whose keys may be in any case.
 * @throws MeshError `RECEPTOR_MESH_OPTIONS` in the words of the Go daemon
 */
export function parseFirewallRules(rules: readonly unknown[]): FirewallRule[] {
  return rules.map((rule, index) => {
    if (rule === null || typeof rule !== 'object' || Array.isArray(rule))
      throw invalidRule(index, 'invalid firewall rule. It must be a map');
    const fields = new Map<string, string>();
    for (const [key, value] of Object.entries(rule)) {
      const field = key.toLowerCase();
      if (field !== 'action' && !FIELDS.some((name) => name.toLowerCase() === field))
        throw invalidRule(index, `invalid filewall rule. unknown key: ${key}`);
      if (typeof value !== 'string')
        throw invalidRule(index, `invalid firewall rule. ${key} must be a string`);
      fields.set(field, value);
    }
    const action = fields.get('action')?.toLowerCase() ?? '';
    if (action !== 'accept' && action !== 'reject' && action !== 'drop')
      throw invalidRule(index, `unknown action: ${fields.get('action') ?? ''}`);
    const conditions = FIELDS.map((name) => [name, fields.get(name.toLowerCase()) ?? ''] as const);
    const parsed: FirewallRule = {
      action,
      ...Object.fromEntries(conditions.filter(([, value]) => value !== '')),
    };
    new Firewall([parsed]);
    return parsed;
  });
}
