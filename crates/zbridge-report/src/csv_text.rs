//! Comma-separated values in memory.

/// The records as RFC 4180 writes them, but for line ends, which are plain.
pub(crate) fn of(records: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut writer = csv::WriterBuilder::new()
        .flexible(true)
        .from_writer(Vec::new());
    for record in records {
        writer
            .write_record(record)
            .expect("writing to memory does not fail, and records may differ in length");
    }
    let bytes = writer
        .into_inner()
        .expect("writing to memory does not fail");
    String::from_utf8(bytes).expect("fields are text, and so is what is put between them")
}

#[cfg(test)]
mod tests {
    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let record = ["a,b", "say \"c\"", "", "d\ne"].map(str::to_owned).to_vec();
        assert_eq!(
            super::of([record, vec!["1".into()]]),
            "\"a,b\",\"say \"\"c\"\"\",,\"d\ne\"\n1\n"
        );
        assert_eq!(super::of([]), "");
    }
}
