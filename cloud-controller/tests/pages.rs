//! Reference pages are written from the declarations: `make pages` writes them, here they are compared.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::Path;

/// Compares the page with `text`; with `UPDATE_PAGES` it is written.
fn assert_page(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference").join(name);
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    let different = page.lines().zip(text.lines()).position(|(page, text)| page != text);
    assert!(
        page == text,
        "docs/reference/{name} is stale from line {:?}: run `make pages`",
        different.map(|at| at + 1)
    );
}

#[test]
fn the_page_of_cloud_conf_is_what_is_declared() {
    assert_page("cloud-conf.md", &host::cloud_conf::page());
}

#[test]
fn the_page_of_the_flags_is_what_is_declared() {
    assert_page("flags.md", &cloud_controller::flags::page());
}
