import { createLogger, parseArguments, startDaemon } from '@receptor/receptor';

/**
 * Runs a node on the arguments of this program, with more than Receptor's own commands and work types, until SIGTERM or
 * Ctrl-C.
 * @param {import('@receptor/receptor').Extensions} extensions
 */
export async function runNode(extensions) {
  const request = await parseArguments(process.argv.slice(2));
  if (request.ask !== 'run') throw new Error('arguments are those of receptor: --node id=NAME … or -c FILE');
  const log = createLogger({ level: 'info', format: 'text', sink: process.stdout });
  const daemon = await startDaemon(request, log, extensions);
  for (const signal of ['SIGTERM', 'SIGINT']) {
    // Units that run go on, or are taken up by the next process.
    process.once(signal, () => daemon.close().then(() => process.exit(0)));
  }
}
