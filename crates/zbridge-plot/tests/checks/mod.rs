//! Checks that the tests of all drawings share.
#![allow(dead_code, clippy::unwrap_used)]

use roxmltree::Document;

/// Text with everything that could be taken for markup, and a character that XML forbids.
pub const MARKUP: &str = "<b>&\"quotes\" 'and' ]]> \u{1} | `ψ`";

/// Every number of a well-formed SVG document is a number.
pub fn check_svg(svg: &str) {
    let document = Document::parse(svg).unwrap();
    assert!(
        document
            .root_element()
            .has_tag_name(("http://www.w3.org/2000/svg", "svg"))
    );
    for node in document.descendants() {
        for attribute in node
            .attributes()
            .filter(|attribute| attribute.name() != "aria-label")
        {
            let value = attribute.value();
            assert!(
                !value.contains("NaN") && !value.contains("inf"),
                "{}=\"{value}\"",
                attribute.name()
            );
        }
    }
}

pub fn png_size(bytes: &[u8]) -> (u32, u32) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    (reader.info().width, reader.info().height)
}

pub fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let texts = document
        .descendants()
        .filter(|node| node.has_tag_name("text"));
    texts
        .filter_map(|node| node.text())
        .map(str::to_owned)
        .collect()
}

/// A side of the document, in pixels.
pub fn side(svg: &str, name: &str) -> f64 {
    let document = Document::parse(svg).unwrap();
    let side = document.root_element().attribute(name).unwrap();
    side.parse().unwrap()
}
