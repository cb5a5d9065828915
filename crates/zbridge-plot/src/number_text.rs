//! Numbers as a person writes them: with a minus sign, thousands apart, and `∞`.

/// What is written where there is no number.
pub const MISSING: &str = "–";

/// The value with `digits` digits after the point; a dash for NaN.
///
/// ```
/// use zbridge_plot::number_text::fixed;
///
/// assert_eq!(fixed(-351.519, 2), "−351.52");
/// assert_eq!(fixed(f64::INFINITY, 2), "∞");
/// assert_eq!(fixed(f64::NAN, 2), "–");
/// ```
pub fn fixed(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return MISSING.to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞" } else { "−∞" }.to_owned();
    }
    with_minus_sign(&format!("{value:.digits$}"))
}

/// The value and, in brackets, the ends of its interval, all with `digits` digits after the point.
///
/// Without the brackets if one of the three numbers is NaN.
///
/// ```
/// use zbridge_plot::number_text::with_interval;
///
/// assert_eq!(with_interval(-84.62, -85.1, -84.1, 1), "−84.6 [−85.1, −84.1]");
/// assert_eq!(with_interval(-84.62, f64::NAN, -84.1, 1), "−84.6");
/// ```
pub fn with_interval(value: f64, low: f64, high: f64, digits: usize) -> String {
    let value_text = fixed(value, digits);
    if value.is_nan() || low.is_nan() || high.is_nan() {
        return value_text;
    }
    format!(
        "{value_text} [{}, {}]",
        fixed(low, digits),
        fixed(high, digits)
    )
}

/// The number with commas between its thousands; numbers below 10,000 stay as they are.
///
/// ```
/// use zbridge_plot::number_text::group_thousands;
///
/// assert_eq!(group_thousands("1234"), "1234");
/// assert_eq!(group_thousands("-1234567.5"), "-1,234,567.5");
/// ```
pub fn group_thousands(number: &str) -> String {
    let point = number.find('.').unwrap_or(number.len());
    let (whole, fraction) = number.split_at(point);
    let (sign, digits) = whole.split_at(usize::from(whole.starts_with('-')));
    // Four digits can be read without a comma.
    if digits.len() < 5 {
        return number.to_owned();
    }
    let mut text = sign.to_owned();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text + fraction
}

/// The number with a minus sign (U+2212) instead of a hyphen, and without a negative zero.
///
/// ```
/// use zbridge_plot::number_text::with_minus_sign;
///
/// assert_eq!(with_minus_sign("-1.5"), "−1.5");
/// assert_eq!(with_minus_sign("-0.0"), "0.0");
/// ```
pub fn with_minus_sign(number: &str) -> String {
    match number.strip_prefix('-') {
        Some(zero) if zero.chars().all(|letter| matches!(letter, '0' | '.')) => zero.to_owned(),
        Some(positive) => format!("−{positive}"),
        None => number.to_owned(),
    }
}

/// The whole number as superscript letters.
pub(crate) fn superscript(exponent: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let raised = |letter: char| match letter.to_digit(10) {
        Some(digit) => DIGITS[digit as usize],
        None => '⁻',
    };
    exponent.to_string().chars().map(raised).collect()
}
