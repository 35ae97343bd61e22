import { expect, it } from 'vitest';
import { runReadmeExample } from './readme-example.js';
import { ScriptedServer, SUCCEEDED } from './scripted-server.js';

it('the example of the README submits, follows and releases a unit', async () => {
  const heard: string[] = [];
  let payload: Buffer = Buffer.alloc(0);
  await using server = await ScriptedServer.create();
  await server.serve(async (peer) => {
    for (let line = await peer.line(); line !== undefined; line = await peer.line()) {
      heard.push(line.trimEnd());
      if (line.startsWith('{')) {
        peer.socket.write('Work unit created with ID abcd. Send stdin data and EOF.\n');
        payload = await peer.rest();
        peer.socket.write('{"result":"Job Started","unitid":"abcd"}\n');
        return;
      }
      if (line.startsWith('work results')) {
        peer.socket.write('Streaming results for work unit abcd\n');
        peer.socket.write(payload);
        return;
      }
      peer.socket.write(line.startsWith('work status') ? SUCCEEDED(payload.length) : '{"released":"abcd"}\n');
    }
  });
  const { stdout, stderr } = await runReadmeExample(server.directory, server.path);
  expect({ stdout, stderr }).toEqual({ stdout: 'Hello from the mesh\n', stderr: '' });
  expect(heard).toEqual([
    '{"command":"work","subcommand":"submit","node":"localhost","worktype":"cat"}',
    'work results abcd 0',
    'work status abcd',
    'work release abcd',
  ]);
});

it('the example of the README says what is wrong, and fails, where there is no daemon', async () => {
  await using server = await ScriptedServer.create();
  await expect(runReadmeExample(server.directory, server.path)).rejects.toMatchObject({
    code: 1,
    stdout: '',
    stderr: `RECEPTOR_CONNECT_FAILED: Socket path does not exist: ${server.path}\n`,
  });
});
