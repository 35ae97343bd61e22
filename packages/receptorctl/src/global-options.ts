import { boolean, text } from './options.js';

/** Options before the command. */
export const globalOptions = {
  socket: text(
    ['--socket'],
    "Control socket address to for the Receptor connection (The default is 'unix:' for a Unix socket, use 'tcp://' for a TCP socket)  [env var: RECEPTORCTL_SOCKET; required]",
    { env: 'RECEPTORCTL_SOCKET' },
  ),
  config: text(['-c', '--config'], 'Config filename configured for receptor  [env var: RECEPTORCTL_CONFIG]', {
    env: 'RECEPTORCTL_CONFIG',
  }),
  tlsClient: text(['--tls-client'], 'TLS client name specified in config  [env var: RECEPTORCTL_TLSCLIENT]', {
    env: 'RECEPTORCTL_TLSCLIENT',
  }),
  rootcas: text(['--rootcas'], 'Root CA bundle to use instead of system trust when connecting with tls'),
  key: text(['--key'], 'Client private key filename'),
  cert: text(['--cert'], 'Client certificate filename'),
  insecureskipverify: boolean(['--insecureskipverify'], 'Accept any server cert'),
};
