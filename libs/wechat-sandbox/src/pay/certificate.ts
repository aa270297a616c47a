import type { pki } from 'node-forge';
import { requirePackage } from '../own-package.cjs';
import { privatePem, publicPem, type KeyPair } from './keys.js';

/** The lifetime of WeChat's platform certificates. */
const LIFE_YEARS = 5;

/** The contents of a certificate. */
export interface CertificateParts {
  /** 40 hex digits. */
  serial: string;
  pair: KeyPair;
  /** `CN` of the subject: the merchant's number, or `Tenpay.com sign`. */
  commonName: string;
  notBefore: Date;
}

/** Returns the expiry of a certificate. */
export function expiryOf(notBefore: Date): Date {
  const end = new Date(notBefore);
  end.setUTCFullYear(end.getUTCFullYear() + LIFE_YEARS);
  return end;
}

/**
 * Creates an X.509 certificate in PEM. Its issuer is a temporary CA, because clients of WeChat Pay read only the serial and the key, and do
 * not verify the chain. The first call loads `node-forge`.
 */
export function certificatePem({ serial, pair, commonName, notBefore }: CertificateParts): string {
  const forge = requirePackage('node-forge') as { pki: typeof pki; md: Digests };
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(publicPem(pair));
  certificate.serialNumber = serial.toLowerCase();
  certificate.validity.notBefore = notBefore;
  certificate.validity.notAfter = expiryOf(notBefore);
  certificate.setSubject(name(commonName, 'Tenpay.com'));
  certificate.setIssuer(name('Tenpay.com Root CA', 'Tenpay.com'));
  certificate.sign(forge.pki.privateKeyFromPem(privatePem(pair)), forge.md.sha256.create());
  return forge.pki.certificateToPem(certificate).replaceAll('\r\n', '\n');
}

interface Digests {
  sha256: typeof import('node-forge').md.sha256;
}

const name = (commonName: string, organization: string): pki.CertificateField[] => [
  { shortName: 'CN', value: commonName },
  { shortName: 'O', value: organization },
  { shortName: 'C', value: 'CN' },
];
