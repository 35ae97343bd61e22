import { RESERVED_PARAMETERS } from '@receptor/protocol';
import { COMMAND_PARAMETERS, KUBERNETES_PARAMETERS } from '@receptor/workceptor';
import { GENERATED, sentence, table } from './markdown.js';

interface Parameter {
  readonly allowedBy: string;
  readonly help: string;
}

const rows = (parameters: Readonly<Record<string, Parameter>>): string =>
  table(
    ['parameter', 'allowed by', 'what it is'],
    Object.entries(parameters).map(([name, { allowedBy, help }]) => [
      `\`${name}\``,
      `\`${allowedBy.toLowerCase()}\``,
      sentence(help),
    ]),
  );

/** The text of docs/reference/runtime-parameters.md. */
export const runtimeParametersPage = (): string => `# Parameters of a submission

${GENERATED}

What a submission may say about its unit: \`receptorctl work submit TYPE --param NAME=VALUE\`, or a member of that name in the
control command. Each has to be allowed by an option of the work type's section; otherwise the submission is refused with
\`NAME provided but not allowed\` (for \`params\` of a command: \`extra params provided but not allowed\`) and no unit is made. An
empty value is as good as none.

A value \`@FILE\` of \`receptorctl\` stands for the text of that file. A parameter whose name begins with \`secret_\` is never shown in
replies or logs, and goes to another node over TLS only. These names are the command's own: ${[
  ...RESERVED_PARAMETERS,
]
  .map((name) => `\`${name}\``)
  .join(', ')}.

## work-command

${rows(COMMAND_PARAMETERS)}
Parameters of other names are ignored.

## work-kubernetes

${rows(KUBERNETES_PARAMETERS)}
Parameters of other names are ignored. With \`authmethod: runtime\`, \`secret_kube_config\` must be there. A kubeconfig that comes over TCP or the mesh may
not name files or programs of the daemon's host, unless \`allowruntimekubeconfigfiles\` is set.
`;
