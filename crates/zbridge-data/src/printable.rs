use std::fmt::Display;

/// Returns `text` with its control characters written as escapes, as in `\u{1b}`.
///
/// Names and texts of files are shown on terminals. A control character in them could move the
/// cursor, change colours or hide what was printed before. Marks of writing direction can do so
/// as well.
///
/// ```
/// assert_eq!(zbridge_data::printable("mean\u{1b}[2K"), r"mean\u{1b}[2K");
/// assert_eq!(zbridge_data::printable("Größe"), "Größe");
/// ```
pub fn printable(text: impl Display) -> String {
    let mut shown = String::new();
    for character in text.to_string().chars() {
        if is_unprintable(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

fn is_unprintable(character: char) -> bool {
    // Overrides and isolates of the bidirectional algorithm (Unicode Standard Annex 9).
    let changes_direction = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || changes_direction
}
