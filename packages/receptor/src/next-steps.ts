/** What to do about an error, by its words; what they name is put in. */
type NextStep = readonly [pattern: RegExp, step: string | ((found: readonly string[]) => string)];

const NODE_ID = 'give the node an ID: --node id=NAME, or in the file - node: {id: NAME}';
const NODE_CERTIFICATE =
  'make a certificate for this node ID (as an alternative name of the type 1.3.6.1.4.1.2312.19.1), correct the ID of ' +
  '`node`, or set skipreceptornamescheck: true in that section';

/** Of the daemon's errors those that do not say it themselves. The first that fits counts. */
const NEXT_STEPS: readonly NextStep[] = [
  [
    /fslock is already locked \((.*)\.lock(?:, held by process ([0-9]+))?\)/,
    ([, socket, pid]) =>
      `another daemon${pid ? ` (process ${pid})` : ''} has the socket ${socket}: stop that one first, or give this ` +
      "one another 'filename' in its control-service",
  ],
  [
    /could not acquire lock on socket file: no such file or directory(?: \((.*)\.lock\))?/,
    ([, socket = 'the socket']) => `make the directory of ${socket} first, or correct 'filename'`,
  ],
  [
    /could not acquire lock on socket file: permission denied \((.*)\.lock\)/,
    ([, socket]) =>
      `the user of the daemon may not write in the directory of ${socket}: give it the right, or choose another 'filename'`,
  ],
  [
    /listen unix (.*): bind: invalid argument/,
    ([, socket]) =>
      `a socket's path may have some 100 bytes, and ${socket} is too long: choose a shorter one`,
  ],
  [
    /listen (tcp|udp) \S*:([0-9]+): bind: address already in use/,
    ([, network, port]) =>
      `another process has port ${port}; which one, says: ss -lnp${network === 'udp' ? 'u' : 't'} 'sport = :${port}'. ` +
      'Stop it, or choose another port',
  ],
  [
    /listen (?:tcp|udp) \S*:([0-9]+): bind: permission denied/,
    ([, port]) =>
      `port ${port} is below 1024, for which a process needs root or CAP_NET_BIND_SERVICE: choose a higher port`,
  ],
  [
    /bind: cannot assign requested address|bind: address not available/,
    "'bindaddr' has to be an address of this machine (ip addr lists them), or nothing for all of them",
  ],
  [
    /listen (?:tcp|udp).*: lookup (\S+): no such host/,
    ([, host]) => `no address is known for the name ${host}`,
  ],
  [/invalid port$|: unknown port$/, 'a port is a number from 0 to 65535; 0 takes one that is free'],
  [/missing port in address/, 'an address is HOST:PORT, such as hub.example.org:27199'],
  [/too many colons in address/, 'an IPv6 address stands in brackets: [::1]:27199'],
  [/no node ID specified/, NODE_ID],
  [/node ID "localhost" is reserved/, NODE_ID],
  [/cannot be used as a directory name/, 'the node ID names a directory of datadir: leave out any slash'],
  [
    /unknown TLS config (\S+)/,
    ([, name]) =>
      `'tls' names a section of the configuration: add a tls-server (for a listener) or tls-client (for a peer) with name: ${name}`,
  ],
  [/nodeID=\S* not found in certificate name/, NODE_CERTIFICATE],
  [
    /tls: private key (?:type )?does not match public key/,
    "'cert' and 'key' belong to different pairs; what a certificate is for, says: openssl x509 -noout -subject -pubkey -in CERT",
  ],
  [/PEM inputs may have been switched|found a certificate rather than a key/, "exchange 'cert' and 'key'"],
  [/failed to parse private key/, "'key' has to be an unencrypted private key in PEM"],
  [
    /error preparing tls .*: open (.*): permission denied/,
    ([, file]) => `the user of the daemon has to be able to read ${file}`,
  ],
  [
    /error loading config file: open (.*): no such file or directory/,
    ([, file]) => `there is no file ${file} in this directory: name the configuration with -c FILE`,
  ],
  [
    /error loading config file: open (.*): permission denied/,
    ([, file]) => `the user of the daemon has to be able to read ${file}`,
  ],
  [/cannot unmarshal !!\w+.* into \[\]interface/, 'a file is a list of sections: - node: {id: NAME}'],
  [/unknown config file format/, 'each item of the list is a section: - node: {id: NAME}'],
  [
    /item has multiple names/,
    'each section is an item of its own: put a dash before its name, and indent its keys by four',
  ],
  [/is not a valid log level name/, 'the levels are error, warning, info and debug'],
  [/parameter specified before command/, 'begin with a section or a file: --node id=NAME, -c FILE'],
  [
    /unknown (?:config type|field name) \S+(?: \([^)]*\))?$/,
    'receptor --help lists all sections and their keys',
  ],
  [
    /only one (\S+) directive is allowed|directive "(\S+)" is only allowed once/,
    ([, one, other]) => `the section ${one ?? other} may be there once: put its keys together`,
  ],
  [/cannot specify any other options with (\S+)/, ([, name]) => `run ${name} by itself`],
  [/work type (\S+) already registered/, ([, name]) => `two sections have worktype: ${name}; rename one`],
  [
    /service (\S+) is already listening/,
    ([, name]) =>
      `two control-services have service: ${name}; give one another name, or service: "" for none on the mesh`,
  ],
  [
    /service name \S+ too long/,
    "a service's name has at most 8 bytes; 'filename' and 'tcplisten' say where else it can be reached",
  ],
  [/no listeners specified/, "say where it listens: 'service', 'filename' or 'tcplisten'"],
  [/connection cost must be positive/, "'cost' is a number above 0; 1 is usual"],
  [/could not parse \S* as boolean|expected bool/, 'true or false is wanted there, without quotes in a file'],
  [/strconv\.Parse|expected (?:int|float64)/, 'a number is wanted there'],
  [
    /firewall rule|filewall rule|error in rule|unknown action/,
    "a rule has an 'action' (accept, reject, drop) and any of fromnode, tonode, fromservice, toservice",
  ],
  [
    /required parameters? missing: /,
    'give each of them a value; receptor --help says what each section and key is for',
  ],
  [
    /does not allow bare values/,
    'this section has no main key: write key=value, or in a file a map; receptor --help lists its keys',
  ],
  [/value cannot be nil/, 'nothing stands behind the colon: write a value, or leave the key out'],
  [/type error \(expected string\)/, 'one text is wanted there, no list and no map'],
  [
    /type error \(expected \S*FirewallRuleData\)/,
    'a list of rules is wanted there, each with an action: - {action: accept, fromnode: hub}',
  ],
  [
    /invalid config format for (\S+)/,
    ([, name]) => `the keys of a section stand below its name as a map: - ${name}: {KEY: VALUE}`,
  ],
  [
    /less than the default default timeout|failed to parse MaxIdleConnectionTimeout/,
    'at least 21s is wanted, such as 1m30s; or leave maxidleconnectiontimeout out',
  ],
  [/failed to parse TokenExpiration/, 'a time such as 3h30m is wanted; or leave tokenexpiration out'],
  [/is not a valid URL/, 'a URL is wanted, such as wss://hub.example.org:443/receptor'],
  [/extra header must be/, "write 'extraheader' as NAME:VALUE, such as X-Token:abc"],
  [
    /pinned fingerprints missing|fingerprint/i,
    'what the fingerprint of a certificate is, says: openssl x509 -noout -fingerprint -sha256 -in CERT',
  ],
  [
    /verification public key is not specified/,
    'add the section work-verification with the public key of those who sign, or set verifysignature: false',
  ],
  [
    /opening tun device: open .*: no such (?:file|device)/,
    'this system has no /dev/net/tun: load the module with modprobe tun, or give the container --device /dev/net/tun',
  ],
  [
    /(?:opening tun device|adding IP address to link|setting link up).*: (?:operation not permitted|permission denied)/,
    'an ip-router needs root, or CAP_NET_ADMIN and the right to open /dev/net/tun',
  ],
  [
    /opening tun device (\S+): (?:resource busy|device or resource busy|invalid argument)/,
    ([, name]) =>
      `there is an interface ${name} already (ip link show ${name}): choose another 'interface', or none, for one that is free`,
  ],
  [/needs the package (\S+), which is not/, ([, name]) => `npm install ${name}, without --omit=optional`],
  [
    /(\S+) does not exist$|stat (\S+): no such file|open (.*): no such file/,
    ([, ...files]) =>
      `make the file ${files.find(Boolean)}, or correct its name; it counts from the directory the daemon is started in`,
  ],
  [
    /cert and key must both be supplied/,
    "add the one of 'cert' and 'key' that is missing, or leave out both",
  ],
  [
    /CIDR address|must be a \/30 CIDR/,
    'write it as ADDRESS/BITS; the local network has 30 bits: 10.0.0.0/30',
  ],
  [
    /must provide namespace when AuthMethod/,
    'add namespace: NAME, the namespace in which pods are to be made, or allowruntimeauth: true',
  ],
  [
    /must specify a container image/,
    'add image: NAME or pod: FILE, or let submissions say it: allowruntimecommand or allowruntimepod: true',
  ],
  [/invalid AuthMethod/, 'authmethod is kubeconfig, incluster or runtime'],
  [
    /can only provide KubeConfig when AuthMethod=kubeconfig/,
    "set authmethod: kubeconfig, or leave out 'kubeconfig'",
  ],
  [
    /can only provide Pod when Image/,
    "leave out 'pod', or 'image', 'command' and 'params': the pod says all that",
  ],
  [/stream mode must be/, 'streammethod is logger or tcp'],
  [/ENOSPC|no space left/, 'make room on the disk of datadir'],
];

/**
 * What to do next about an error that ended the start of a daemon, or was found by a check of its configuration.
 * @param message of the error
 * @returns a sentence for the operator; undefined where the message says it all
 */
export function nextStep(message: string): string | undefined {
  for (const [pattern, step] of NEXT_STEPS) {
    const found = pattern.exec(message);
    if (found) return typeof step === 'string' ? step : step(found);
  }
  return undefined;
}
