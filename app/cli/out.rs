//! Out.
pub(crate) fn line(text: &str) {
    println!("{text}");
}
