//! Text without Markdown markup.

/// The text as one line of Markdown in which nothing is markup.
pub(crate) fn markdown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let characters: Vec<char> = line.chars().collect();
    let mut safe = String::with_capacity(line.len());
    for (place, &character) in characters.iter().enumerate() {
        if is_markup(&characters, place) {
            safe.push('\\');
        }
        safe.push(character);
    }
    safe
}

/// Whether the character could be read as Markdown markup where it stands.
fn is_markup(line: &[char], place: usize) -> bool {
    match line[place] {
        '\\' | '`' | '*' | '|' | '<' | '[' | ']' | '&' | '~' | '$' => true,
        '_' => !is_inside_word(line, place),
        '#' | '+' | '-' | '=' | '>' => place == 0,
        '.' | ')' => {
            place > 0 && line[..place].iter().all(char::is_ascii_digit) && ends_a_word(line, place)
        }
        _ => false,
    }
}

/// Whether a space or the line's end follows, as it must after the number of a list item.
fn ends_a_word(line: &[char], place: usize) -> bool {
    line.get(place + 1).is_none_or(|next| next.is_whitespace())
}

/// Whether letters or digits stand on both sides, where GitHub and CommonMark read `_` as itself.
fn is_inside_word(line: &[char], place: usize) -> bool {
    let is_word = |at: Option<usize>| {
        at.and_then(|at| line.get(at))
            .is_some_and(|c| c.is_alphanumeric())
    };
    is_word(place.checked_sub(1)) && is_word(Some(place + 1))
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
