use super::*;

fn sample() -> Table {
    Table {
        caption: "Estimates of log p(y|x) & <more>".into(),
        columns: vec![
            Column::words("model"),
            Column::numbers("nats"),
            Column::numbers("pairs, N"),
        ],
        rows: vec![
            vec![
                Cell::text("bridge \"a\", b|c"),
                Cell::estimate(-0.045612, 0.000123, 4),
                Cell::count(256),
            ],
            vec![Cell::text("<label VAE>"), Cell::number(-2.5, 4)],
        ],
    }
}

#[test]
fn markdown_is_aligned_and_escaped() {
    let expected = "\
**Estimates of log p(y\\|x) \\& \\<more>**

| model            |             nats | pairs, N |
|------------------|-----------------:|---------:|
| bridge \"a\", b\\|c | −0.0456 ± 0.0001 |      256 |
| \\<label VAE>     |          −2.5000 |        – |
";
    assert_eq!(sample().to_markdown(), expected);
}

#[test]
fn html_is_well_formed_and_escaped() {
    let html = sample().to_html();
    let document = roxmltree::Document::parse(&html).unwrap();
    let cells: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("td"))
        .collect();
    assert_eq!(cells.len(), 6);
    assert_eq!(cells[0].text(), Some("bridge \"a\", b|c"));
    assert_eq!(cells[1].attribute("class"), Some("right"));
    roxmltree::Document::parse(&Table::default().to_html()).unwrap();
}

#[test]
fn csv_is_exact_and_has_its_own_column_for_standard_errors() {
    let expected = "model,nats,nats standard error,\"pairs, N\"\n\
        \"bridge \"\"a\"\", b|c\",-0.045612,0.000123,256\n<label VAE>,-2.5,,\n";
    assert_eq!(sample().to_csv(), expected);
}

#[test]
fn intervals_get_columns_for_their_ends_and_units_stand_behind_names() {
    let table = Table {
        columns: vec![Column::numbers("accuracy").with_unit("%")],
        rows: vec![
            vec![Cell::interval(97.25, 96.8, 97.5, 1)],
            vec![Cell::missing()],
        ],
        ..Table::default()
    };
    assert_eq!(
        table.to_csv(),
        "\"accuracy, %\",\"accuracy, % low\",\"accuracy, % high\"\n97.25,96.8,97.5\n,,\n"
    );
    assert!(
        table
            .to_html()
            .contains("accuracy <span class=\"unit\">%</span></th>")
    );
    assert!(table.to_text().contains("97.2 [96.8, 97.5]"));
}

#[test]
fn a_terminal_gets_straight_columns() {
    let text = sample().to_text();
    let lines: Vec<&str> = text.lines().skip(2).collect();
    assert_eq!(lines[0], "model                        nats  pairs, N");
    assert_eq!(lines[1].chars().count(), lines[2].chars().count());
    assert!(lines[2].ends_with("−0.0456 ± 0.0001       256"), "{text}");
}
