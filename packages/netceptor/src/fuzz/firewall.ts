import { MeshError } from '../errors.js';
import { Firewall, parseFirewallRules } from '../firewall/firewall.js';
import { capturedRules } from './corpus.js';
import { mutate } from './mutate.js';
import { check, type FuzzTarget, refused } from './target.js';

const NAMES = ['', 'foo', 'p1', 'x', 'bar', 'ping', 'a'.repeat(100), '\u{2028}'];
const isInvalid = (error: unknown) =>
  error instanceof MeshError &&
  error.code === 'RECEPTOR_MESH_OPTIONS' &&
  /^error in rule \d+: ./.test(error.message);

/** Rules as somebody could have written them. */
export function firewallTarget(): FuzzTarget {
  const corpus = [
    ...capturedRules(),
    Buffer.from('[{"action":"drop","fromnode":"/(a+)+[^b]{1,9}x?|\\\\pL*/"}]'),
  ];
  return {
    name: 'firewall',
    generate: (random) => mutate(random, corpus),
    run(input) {
      const read = refused(
        () => JSON.parse(input.toString()) as unknown,
        (error) => error instanceof SyntaxError,
      );
      if (read === undefined) return;
      const rules = refused(() => parseFirewallRules(Array.isArray(read) ? read : [read]), isInvalid);
      if (!rules) return;
      const firewall = new Firewall(rules);
      for (const fromNode of NAMES)
        for (const toService of NAMES) {
          const action = firewall.decide({ fromNode, toNode: 'foo', fromService: 'e1', toService });
          check(['accept', 'reject', 'drop'].includes(action), `the firewall decided ${action}`);
        }
    },
  };
}
