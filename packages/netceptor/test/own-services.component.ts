import { expect, it } from 'vitest';
import { Netceptor } from '../src/index.js';

it.each(['alone', 'localhost', 'LocalHost'])(
  'a node without a neighbour reaches its own service as %s',
  async (name) => {
    const node = new Netceptor({ id: 'alone' });
    try {
      node.listen('greet', (stream, caller) => stream.end(`hello ${caller.node}`));
      const stream = await node.dial(name, 'greet');
      stream.end();
      expect(Buffer.concat(await stream.toArray()).toString()).toBe('hello alone');
    } finally {
      await node.close();
    }
  },
);
