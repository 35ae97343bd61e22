import { commandWorkType, type WorkType } from '@receptor/workceptor';
import { type ConfigItem, configError } from './config/item.js';

/** The work type that a section of the configuration declares; undefined for other sections. */
export async function workTypeOf(item: ConfigItem): Promise<WorkType | undefined> {
  switch (item.section) {
    case 'work-command': {
      const { worktype, command, params, allowruntimeparams, verifysignature } = item.settings;
      return commandWorkType({
        workType: worktype,
        command,
        params,
        allowRuntimeParams: allowruntimeparams,
        verifySignature: verifysignature,
      });
    }
    case 'work-kubernetes':
      throw configError("the section 'work-kubernetes' is not implemented yet");
    default:
      return undefined;
  }
}
