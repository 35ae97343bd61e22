import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { KUBERNETES_PARAMETERS } from '../../src/index.js';

const guide = readFileSync(new URL('../../../../docs/guides/kubernetes-work.md', import.meta.url), 'utf8');

it('the table of the guide has each parameter of a submission, with what allows it', () => {
  const rows = [...guide.matchAll(/^\| `((?:kube|secret_kube|pod)_\w+)` \| .* \| `(\w+)` \|$/gm)];
  const told = Object.fromEntries(rows.map(([, name = '', permission = '']) => [name, permission]));
  const known = Object.entries(KUBERNETES_PARAMETERS).map(([name, { allowedBy }]) => [
    name,
    allowedBy.toLowerCase(),
  ]);
  expect(told).toEqual(Object.fromEntries(known));
});
