//! temporary
fn main() {
    let path = std::env::args().nth(1).unwrap_or_default();
    let text = match zbridge_foreign::open(std::path::Path::new(&path)) { Ok(_) => "ok".into(), Err(e) => e.to_string() };
    eprintln!("{}", &text[..text.len().min(200)]);
}
