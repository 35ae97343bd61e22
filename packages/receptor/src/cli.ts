import { basename } from 'node:path';
import { ReceptorError } from '@receptor/protocol';
import { parseArguments } from './config/arguments.js';
import type { ConfigItem } from './config/item.js';
import { findSection } from './config/sections/index.js';
import { ownVersion } from './version.js';

/** Runs the program on the arguments of the process. A daemon runs on after this has returned. */
export async function main(): Promise<void> {
  outliveOutput();
  try {
    await run(process.argv.slice(2), basename(process.argv[1] ?? 'receptor', '.js'));
  } catch (error) {
    if (!(error instanceof ReceptorError)) throw error;
    // On the standard output, as with Go. Whatever of a daemon was started by then ends with the process.
    const { nextStep } = await import('./next-steps.js');
    const step = nextStep(error.message);
    const hint = step === undefined ? '' : `Hint: ${step}\n`;
    process.stdout.write(`Error: ${error.message}\n${hint}`, () => process.exit(1));
  }
}

/** That its output goes nowhere any more, because a reader has gone or a disk is full, does not end a daemon. */
function outliveOutput(): void {
  let told = false;
  process.stderr.on('error', () => {});
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (told || error.code === 'EPIPE') return;
    told = true;
    process.stderr.write(`receptor: cannot write to the standard output: ${error.message}\n`);
  });
}

async function run(args: readonly string[], program: string): Promise<void> {
  if (args[0] === 'check') return await check(args.slice(1), program);
  const request = await parseArguments(args);
  switch (request.ask) {
    case 'help':
    case 'completion': {
      const { renderCompletion, renderHelp, renderSectionHelp } = await import('./config/help.js');
      const section = request.ask === 'help' ? findSection(request.section ?? '') : undefined;
      const help = () => (section ? renderSectionHelp(program, section) : renderHelp(program));
      process.stdout.write(request.ask === 'help' ? help() : renderCompletion(program));
      break;
    }
    case 'version':
      process.stdout.write(`${ownVersion()}\n`);
      break;
    case 'run': {
      const [certificates, rest] = separate(request.items);
      if (certificates.length > 0) await makeCertificates(certificates);
      if (rest.length === 0 && certificates.length > 0) break;
      const { runDaemon } = await import('./process.js');
      const { createProcessLogger } = await import('./logging.js');
      await runDaemon({ ...request, items: rest }, createProcessLogger(), program);
    }
  }
}

/** The sections that ask for certificates, which are done with when those are made, and all others. */
function separate(items: readonly ConfigItem[]): [ConfigItem[], ConfigItem[]] {
  const isCertificate = ({ section }: ConfigItem) => findSection(section)?.group === 'certificates';
  const certificates = items.filter(isCertificate);
  // An authority is made before it signs, wherever in the file it stands; their names are in that order.
  certificates.sort((a, b) => (a.section < b.section ? -1 : Number(a.section > b.section)));
  return [certificates, items.filter((item) => !isCertificate(item))];
}

async function makeCertificates(items: readonly ConfigItem[]): Promise<void> {
  const { checkItems } = await import('./config/item.js');
  checkItems(items);
  const { runCertificateCommand } = await import('./certificates/commands.js');
  for (const item of items)
    await runCertificateCommand(item, { input: process.stdin, output: process.stdout });
}

/** `receptor check FILE...`: exit code 1 where a daemon would not start, or not do what a file says. */
async function check(files: readonly string[], program: string): Promise<void> {
  if (files.length === 0 || files.some((file) => file.startsWith('-'))) {
    process.stdout.write(`Usage: ${program} check FILE...\n`);
    process.exitCode = files.includes('--help') || files.includes('-h') ? 0 : 1;
    return;
  }
  const { checkConfiguration } = await import('./check/check.js');
  const { renderFindings } = await import('./check/report.js');
  for (const file of files) {
    const findings = await checkConfiguration(file);
    process.stdout.write(renderFindings(file, findings));
    if (findings.problems.length > 0) process.exitCode = 1;
  }
}
