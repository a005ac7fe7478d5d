/** A public key with its id, as Clerk's key set has it (RFC 7517; RSA parameters by RFC 7518, section 6.3). */
export interface JsonWebKey {
  kid?: string;
  kty?: string;
  alg?: string;
  use?: string;
  n?: string;
  e?: string;
}
