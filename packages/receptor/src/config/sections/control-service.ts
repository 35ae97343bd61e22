import { checkServiceName } from '../checks.js';
import { defineSection, int, string } from '../section.js';

export const controlService = defineSection({
  name: 'control-service',
  group: 'general',
  help: 'Runs a control service',
  fields: {
    service: string('Receptor service name to listen on', {
      default: 'control',
      note: 'At most 8 bytes; empty for no service on the mesh.',
    }),
    filename: string('Specifies the filename of a local Unix socket to bind to the service.'),
    permissions: int('Socket file permissions', {
      default: '0600',
      note: 'Octal with a leading zero: `660` without it is another mode.',
    }),
    tls: string('Name of TLS server config for the Receptor listener', { refersTo: 'tls-server' }),
    tcplisten: string('Local TCP port or host:port to bind to the control service'),
    tcptls: string('Name of TLS server config for the TCP listener', {
      refersTo: 'tls-server',
      onlyWith: 'tcplisten',
    }),
  },
  checks: {
    run: ({ service, filename, tcplisten }) =>
      service || filename || tcplisten
        ? // The prefix is wrong, and what clients of the Go daemon see.
          checkServiceName('error opening Unix socket: ', service)
        : 'no listeners specified',
  },
});
