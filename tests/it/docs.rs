//! Pages of which a test writes a part.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Tests run side by side, and may write into one page.
static PAGES: Mutex<()> = Mutex::new(());

/// Holds the part of a page in `docs/` that a test writes to what it writes today; with `UPDATE_DOCS=1` it writes it.
///
/// The part stands between `<!-- written by tests/it/… -->` and `<!-- end of what the test writes -->`. `writer` is
/// the test's file, `text` ends in a line break.
#[track_caller]
pub(crate) fn hold(page: &str, writer: &str, text: &str) {
    const END: &str = "\n<!-- end of what the test writes -->";
    let begin = format!("<!-- written by tests/it/{writer} -->\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let _page = PAGES.lock().unwrap_or_else(PoisonError::into_inner);
    let whole = std::fs::read_to_string(&path).expect("the page");
    let (before, rest) = whole.split_once(&begin).expect("the beginning of the part");
    let (written, after) = rest.split_once(END).expect("the end of the part");
    // The environment of a test is its caller's wish, not a setting of a function.
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{begin}{text}{END}{after}")).expect("the page is written");
    } else {
        assert_eq!(written, text, "UPDATE_DOCS=1 writes docs/{page} anew");
    }
}
