import CCrypto

/// SHA-256 (FIPS 180-4), computed by the system's OpenSSL.
@safe public struct SHA256: ~Copyable {
  private let context: OpaquePointer?

  /// An empty message.
  public init() {
    unsafe context = EVP_MD_CTX_new()
    _ = unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil)
  }

  deinit { unsafe EVP_MD_CTX_free(context) }

  /// Appends bytes to the message.
  public func update(_ bytes: some Sequence<UInt8>) {
    let bytes = Array(bytes)
    _ = unsafe EVP_DigestUpdate(context, bytes, bytes.count)
  }

  /// The digest as 64 hexadecimal digits; the message must not be extended afterwards.
  public consuming func hexDigest() -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    _ = unsafe EVP_DigestFinal_ex(context, &digest, nil)
    return digest.map { byte in
      let digits = String(byte, radix: 16)
      return digits.count == 1 ? "0" + digits : digits
    }.joined()
  }

  /// The digest of one message as 64 hexadecimal digits.
  public static func hexDigest(of bytes: some Sequence<UInt8>) -> String {
    let hash = SHA256()
    hash.update(bytes)
    return hash.hexDigest()
  }
}
