//! Where the compiler does not look after memory: at the edge to Node alone, and not without a reason.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// Blocks without a `SAFETY` comment are for clippy to find.
#[test]
fn is_at_the_edge_to_node_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut reasons = 0;
    for path in sources(&root) {
        let text = fs::read_to_string(&path).unwrap();
        let at_the_edge = path.starts_with(root.join("binding"));
        assert!(at_the_edge || !text.contains("unsafe"), "{}", path.display());
        for line in text.lines().filter(|line| line.contains("(unsafe_code")) {
            assert!(line.contains("reason ="), "{}: {line}", path.display());
            reasons += 1;
        }
    }
    assert!(reasons > 0, "the sources are somewhere else");
}
