import { parseArgs } from 'node:util';

/**
 * The options of a command for developers, each with the text it has if it is not given. One that asks for help gets the
 * usage; a wrong one is told what is wrong with it.
 */
export function readOptions<Name extends string>(
  usage: string,
  defaults: Record<Name, string>,
): Record<Name, string> {
  const options = Object.fromEntries(
    Object.keys(defaults).map((name) => [name, { type: 'string' as const }]),
  );
  try {
    const { values } = parseArgs({ options: { ...options, help: { type: 'boolean' } } });
    if (!values.help) return { ...defaults, ...values };
  } catch (error) {
    endWithUsage(usage, error instanceof Error ? error.message : String(error));
  }
  console.log(usage);
  process.exit(0);
}

/** Ends the process for something wrong with its options. */
export function endWithUsage(usage: string, problem: string): never {
  console.error(`${problem}\n\n${usage}`);
  process.exit(2);
}
