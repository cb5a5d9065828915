//! Text without Markdown markup.

/// The text as one line of Markdown in which nothing is markup.
pub(crate) fn markdown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let characters: Vec<char> = line.chars().collect();
    let mut safe = String::with_capacity(line.len());
    for (index, &character) in characters.iter().enumerate() {
        if is_markup(&characters, index) {
            safe.push('\\');
        }
        safe.push(character);
    }
    safe
}

/// Whether the character could be read as Markdown markup at its place in the line.
fn is_markup(line: &[char], index: usize) -> bool {
    match line[index] {
        '\\' | '`' | '*' | '|' | '<' | '[' | ']' | '&' | '~' | '$' => true,
        // GitHub and CommonMark read an underscore between letters as itself.
        '_' => !is_inside_word(line, index),
        // Headings, lists and quotes start a line.
        '#' | '+' | '-' | '=' | '>' => index == 0,
        '.' | ')' => is_after_list_number(line, index),
        _ => false,
    }
}

/// Whether only digits come before, and a space or the end of the line follows.
fn is_after_list_number(line: &[char], index: usize) -> bool {
    // `1.` and `1)` start a list.
    let is_number = index > 0 && line[..index].iter().all(char::is_ascii_digit);
    let ends_word = line.get(index + 1).is_none_or(|next| next.is_whitespace());
    is_number && ends_word
}

/// Whether letters or digits are on both sides.
fn is_inside_word(line: &[char], index: usize) -> bool {
    let is_word = |index: usize| {
        line.get(index)
            .is_some_and(|letter| letter.is_alphanumeric())
    };
    index > 0 && is_word(index - 1) && is_word(index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_escapes_what_would_be_markup() {
        assert_eq!(markdown("p(y|x) *bold* <b>"), r"p(y\|x) \*bold\* \<b>");
        assert_eq!(markdown("label_to_image _x_"), r"label_to_image \_x\_");
        assert_eq!(markdown("# no\nheading"), r"\# no heading");
        assert_eq!(
            markdown("1. not a list, 2. either"),
            r"1\. not a list, 2. either"
        );
        assert_eq!(markdown("- 3"), r"\- 3");
    }
}
