//! Text without characters that XML 1.0 forbids.

/// The text with U+FFFD in place of each character that is not allowed in XML 1.0 (section 2.2,
/// `Char`), such as the escape character of a terminal.
///
/// Markup has none of them, so this can be done once for a whole page.
pub(super) fn valid_xml(text: &str) -> String {
    text.replace(is_forbidden, "\u{fffd}")
}

fn is_forbidden(character: char) -> bool {
    !matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_characters_are_replaced() {
        assert_eq!(valid_xml("a\u{0}b\u{1b}"), "a\u{fffd}b\u{fffd}");
        assert_eq!(
            valid_xml("log p(y|x) → −2.3 ± ψ\t\n"),
            "log p(y|x) → −2.3 ± ψ\t\n"
        );
    }
}
