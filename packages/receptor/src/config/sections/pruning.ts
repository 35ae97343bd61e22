import { checkMaxAge } from '../checks.js';
import { defineSection, int, string } from '../section.js';

export const workPruning = defineSection({
  name: 'work-pruning',
  group: 'workers',
  help: 'Release finished units of work by themselves when they are too old or too many',
  single: true,
  own: true,
  fields: {
    maxage: string('How long a unit is kept after its end, e.g. 72h; default: for ever', {
      own: true,
      note: 'By the time its status was last written.',
    }),
    maxunits: int('How many finished units are kept, those that ended last', {
      default: '0',
      own: true,
      note: '0 is no limit. Units that have not ended do not count.',
    }),
  },
  notes:
    'Without this section, finished units stay until somebody releases them. A unit is released as `work release` does it: its pod ' +
    'is deleted, and a unit on another node is released there too. Never released so are units that are Pending or Running; a unit ' +
    'within a minute after its end, or while its results are read and a minute after; and units whose work type is not ' +
    'configured (any more). One that cannot be released is reported in the log, and tried again after an hour.',
  checks: {
    prepare: ({ maxage, maxunits }) => {
      if (maxunits < 0) return `maxunits of work-pruning is ${maxunits}, and must not be negative`;
      if (maxage === '' && maxunits === 0) return "work-pruning needs 'maxage', 'maxunits' or both";
      return checkMaxAge(maxage);
    },
  },
});
