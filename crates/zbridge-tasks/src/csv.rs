/// Returns a field of a CSV file (RFC 4180), in quotes if it would be read as another one without.
pub(crate) fn csv_field(text: &str) -> String {
    let is_plain = |text: &str| !text.contains([',', '"', '\n', '\r']) && text.trim() == text;
    match is_plain(text) && !text.is_empty() {
        true => text.to_owned(),
        false => format!("\"{}\"", text.replace('"', "\"\"")),
    }
}
