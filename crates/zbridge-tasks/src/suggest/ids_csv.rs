use crate::csv::csv_field;

/// Returns ids as CSV (RFC 4180), one a line below the header `x`: with a column `y` beside it, a
/// file of pairs.
pub(super) fn ids_csv<'i>(ids: impl Iterator<Item = &'i str>) -> String {
    let mut csv = String::from("x\n");
    for id in ids {
        csv.push_str(&csv_field(id));
        csv.push('\n');
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_csv_would_cut_are_in_quotes() {
        let ids = ["7", "a b.png", "a,b", "say \"x\"", " a"];
        let expected = "x\n7\na b.png\n\"a,b\"\n\"say \"\"x\"\"\"\n\" a\"\n";
        assert_eq!(ids_csv(ids.into_iter()), expected);
    }
}
