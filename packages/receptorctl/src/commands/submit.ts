import { Readable } from 'node:stream';
import { isAnswer } from '../answer.js';
import type { Call } from '../call.js';
import { endUnits } from '../end-units.js';
import { Failure } from '../failure.js';
import { checkPayloadChoice, type OpenPayload, openPayload, type PayloadChoice } from '../payload.js';
import { Progress } from '../progress.js';
import { printResults, UnitFailure } from '../results-output.js';
import { workParameters } from '../work-parameters.js';

interface Values extends PayloadChoice {
  worktype: string;
  cmdparams: readonly string[];
  node: string | undefined;
  tlsClient: string | undefined;
  ttl: string | undefined;
  signwork: boolean;
  follow: boolean;
  rm: boolean;
  param: readonly string[];
}

/** Exit code for all that goes wrong with a submission itself. */
const NOT_SUBMITTED = 101;
/** Milliseconds for releasing a unit after an interrupt. */
const RELEASE_TIMEOUT = 5000;

export async function run(call: Call, values: Values): Promise<number> {
  const { output } = call;
  checkPayloadChoice(values);
  if (values.rm && !values.follow) {
    output.warning('using --rm without --follow. Unit results will never be seen.');
  }
  const payload = await openPayload(values, output);
  let unitId: string | undefined;
  try {
    unitId = await submit(call, values, payload);
    if (values.follow) await printResults(call, unitId);
    return 0;
  } catch (error) {
    throw asFailure(error);
  } finally {
    if (payload.source instanceof Readable) payload.source.destroy();
    if (unitId !== undefined) await leave(call, unitId, values);
  }
}

/** Submits, and gives the unit's ID; prints both lines unless the output follows. */
async function submit(call: Call, values: Values, payload: OpenPayload): Promise<string> {
  const { client, output, signal } = call;
  const { worktype, node, follow, param, cmdparams } = values;
  const parameters = await workParameters(param, cmdparams, values);
  const { stderr } = output.streams;
  const progress = payload.slow && stderr.isTTY ? new Progress(stderr, payload.size) : undefined;
  let created = false;
  let running: string | undefined;
  try {
    const { result, unitid } = await client.submitWork({
      workType: worktype,
      ...parameters,
      ...(node && { node }),
      payload: payload.source,
      onUnit: () => {
        created = true;
      },
      onSent: (id) => {
        running = id;
        progress?.clear();
      },
      ...(progress && { onProgress: (bytes) => progress.show(bytes) }),
    });
    if (!follow) {
      output.line(`Result: ${result}`);
      output.line(`Unit ID: ${unitid}`);
    }
    return unitid;
  } catch (error) {
    progress?.clear();
    if (signal.aborted && running !== undefined) tellWhere(call, running);
    // What the daemon refuses after it gave an ID is told apart from what it refused before.
    const asked = created ? 'Remote error: ERROR' : 'Failed to start work unit';
    throw isAnswer(error)
      ? new Failure(NOT_SUBMITTED, `${asked}: ${error.message}`, { cause: error })
      : error;
  }
}

/** Leaves a unit as the options say, also when the output broke off. */
async function leave(call: Call, unitId: string, { follow, rm }: Values): Promise<void> {
  const { client, output, signal } = call;
  if (!rm) {
    if (follow && signal.aborted) tellWhere(call, unitId);
  } else if (!signal.aborted) {
    await endUnits({ client, output }, 'release', [unitId]);
  } else {
    using another = call.anotherClient();
    const overdue = setTimeout(() => another.close(), RELEASE_TIMEOUT);
    await endUnits({ client: another, output }, 'release', [unitId]).finally(() => clearTimeout(overdue));
  }
}

/** After an interrupt, says how to find a unit that goes on. */
function tellWhere({ output }: Call, unitId: string): void {
  output.note(`Unit ID: ${unitId} (it goes on; its output: receptorctl work results ${unitId})`);
}

function asFailure(error: unknown): unknown {
  if (error instanceof UnitFailure || !(error instanceof Error)) return error;
  // What ends the program quietly is judged elsewhere.
  if ('code' in error && (error.code === 'EPIPE' || error.code === 'RECEPTOR_ABORTED')) return error;
  return new Failure(NOT_SUBMITTED, error.message, { cause: error });
}
