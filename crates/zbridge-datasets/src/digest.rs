use sha2::{Digest, Sha256};

/// Returns the digest as lower-case hexadecimal digits.
pub(crate) fn finish(hash: Sha256) -> String {
    let bytes = hash.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
