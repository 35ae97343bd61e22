import { AsnConvert } from '@peculiar/asn1-schema';
import { DirectoryString, GeneralName, OtherName, SubjectAlternativeName } from '@peculiar/asn1-x509';
import { Extension } from '@peculiar/x509';

/** What a certificate is for. */
export interface CertificateNames {
  readonly dns: readonly string[];
  readonly ip: readonly string[];
  readonly nodeIds: readonly string[];
}

const SUBJECT_ALT_NAME = '2.5.29.17';
/** The type of a name that is a node ID (reference: mesh, 6.2). */
const RECEPTOR_NAME = '1.3.6.1.4.1.2312.19.1';

/** The extension that holds the names: DNS names, then IP addresses, then node IDs. */
export function encodeNames({ dns, ip, nodeIds }: CertificateNames): Extension {
  const otherName = (id: string) =>
    new OtherName({
      typeId: RECEPTOR_NAME,
      value: AsnConvert.serialize(new DirectoryString({ utf8String: id })),
    });
  const names = [
    ...dns.map((dNSName) => new GeneralName({ dNSName })),
    ...ip.map((iPAddress) => new GeneralName({ iPAddress })),
    ...nodeIds.map((id) => new GeneralName({ otherName: otherName(id) })),
  ];
  return new Extension(SUBJECT_ALT_NAME, false, AsnConvert.serialize(new SubjectAlternativeName(names)));
}

/** The extension with the names, if there is one. */
export function findNames(extensions: readonly Extension[]): Extension | undefined {
  return extensions.find(({ type }) => type === SUBJECT_ALT_NAME);
}

/** Reads the names in their extension; those of other kinds are passed over. @throws Error when it is malformed */
export function decodeNames(extension: Extension | undefined): CertificateNames {
  const names = extension ? [...AsnConvert.parse(extension.value, SubjectAlternativeName)] : [];
  return {
    dns: names.flatMap(({ dNSName }) => dNSName ?? []),
    ip: names.flatMap(({ iPAddress }) => iPAddress ?? []),
    nodeIds: names.flatMap(({ otherName }) =>
      otherName?.typeId === RECEPTOR_NAME
        ? AsnConvert.parse(otherName.value, DirectoryString).toString()
        : [],
    ),
  };
}
