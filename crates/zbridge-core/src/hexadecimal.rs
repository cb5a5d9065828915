use std::fmt::Write;

/// Returns the bytes in lower-case hexadecimal, two digits a byte: the form in which digests are
/// printed and stored.
///
/// ```
/// assert_eq!(zbridge_core::hexadecimal(&[0x00, 0xa7, 0xff]), "00a7ff");
/// ```
pub fn hexadecimal(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(digits, "{byte:02x}").expect("a string takes every character");
    }
    digits
}
