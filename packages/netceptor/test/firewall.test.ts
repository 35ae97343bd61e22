import { describe, expect, it } from 'vitest';
import { Firewall, parseFirewallRules } from '../src/firewall/firewall.js';
import { readVectors } from './vectors.js';

interface Observed {
  readonly rules: Record<string, unknown>[];
  readonly outcome?: string;
  readonly messages?: { readonly from: string; readonly to: string; readonly outcome: string }[];
}
const observed = readVectors('firewall').entries as unknown as Observed[];

describe('the firewall', () => {
  const captured = observed[0];
  const firewall = new Firewall(parseFirewallRules(captured?.rules ?? []));

  it.each((captured?.messages ?? []).filter(({ to }) => !to.includes('(')))(
    'decides about $from to $to as a Go node does',
    ({ from, to, outcome }) => {
      const [fromNode = '', fromService = ''] = from.split(':');
      const [toNode = '', toService = ''] = to.split(':');
      const action = firewall.decide({ fromNode, fromService, toNode, toService });
      if (/^delivered|^forwarded/.test(outcome)) expect(action).toBe('accept');
      else if (outcome === 'nothing sent') expect(action).toBe('drop');
      else expect(action).toBe('reject');
    },
  );

  it.each(observed.filter(({ outcome }) => outcome?.startsWith('start fails')))(
    'refuses rules in the words of a Go node: $outcome',
    ({ rules, outcome = '' }) => {
      const text = outcome.replace('start fails: ', '').replace('(empty)', '');
      expect(() => parseFirewallRules(rules)).toThrow(text);
    },
  );

  it.each(['/[/', '/p', '/', '/(?=x)/', '/a\\1/'])(
    'refuses the condition %s, which a Go node would not apply',
    (pattern) => {
      expect(() => parseFirewallRules([{ action: 'reject', fromnode: pattern }])).toThrow(
        /error in rule 0: /,
      );
    },
  );

  it('holds a regular expression against the whole name', () => {
    const rules = new Firewall(parseFirewallRules([{ action: 'reject', tonode: '/x|bar/' }]));
    const to = (toNode: string) => rules.decide({ fromNode: 'a', fromService: 's', toNode, toService: 't' });
    expect([to('x'), to('bar'), to('xy'), to('crowbar')]).toEqual(['reject', 'reject', 'accept', 'accept']);
  });

  it('reads the expressions of Go, and in a time that does not explode', () => {
    const rules = new Firewall(
      parseFirewallRules([
        { action: 'drop', fromnode: '/(?i)EDGE-\\d+/' },
        { action: 'drop', fromservice: '/(a+)+b/' },
      ]),
    );
    const from = (fromNode: string, fromService = 's') =>
      rules.decide({ fromNode, fromService, toNode: 'b', toService: 't' });
    expect([from('edge-7'), from('edge-'), from('x', 'a'.repeat(40_000))]).toEqual([
      'drop',
      'accept',
      'accept',
    ]);
  });

  it('takes an empty condition for none', () => {
    const rules = new Firewall(parseFirewallRules([{ action: 'Reject', fromnode: '' }]));
    expect(rules.decide({ fromNode: 'a', fromService: 's', toNode: 'b', toService: 't' })).toBe('reject');
  });

  it('refuses what is no rule', () => {
    for (const rule of [null, 'x', ['a']])
      expect(() => parseFirewallRules([rule])).toThrow('error in rule 0: invalid firewall rule.');
  });
});
