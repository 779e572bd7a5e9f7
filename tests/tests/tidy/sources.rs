//! What every source file must keep to.

use crate::tree::{assert_none, texts, with_ending};

/// More lines than this and a file is split.
const LONGEST: usize = 600;

#[test]
fn files_are_short() {
    let offences = with_ending(&[".rs", ".py", ".sh"]).into_iter().filter_map(|text| {
        let lines = text.content.lines().count();
        (lines > LONGEST).then(|| format!("{}: {lines} lines", text.path))
    });
    assert_none(&format!("no file is longer than {LONGEST} lines"), offences);
}

#[test]
fn every_file_says_what_it_is_for() {
    let offences = with_ending(&[".rs", ".py"]).into_iter().filter_map(|text| {
        let mut lines = text.content.lines().skip_while(|line| line.starts_with("#!"));
        let first = lines.next().unwrap_or_default();
        // An empty Python file only marks a directory as a package.
        let said = first.starts_with(if text.is("rs") { "//! " } else { "\"\"\"" })
            || text.content.trim().is_empty();
        (!said).then_some(text.path)
    });
    assert_none("each file begins with what it is for (//! or a docstring)", offences);
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here so that this file does not accuse itself.
    let marks = ["todo", "unimplemented"].map(|name| format!("{name}!("));
    let words = [format!("TO{}", "DO"), format!("FIX{}", "ME"), format!("XX{}", "X:")];
    let offences =
        with_ending(&[".rs", ".py", ".sh", ".md", ".yaml", ".toml"]).into_iter().flat_map(|text| {
            let is_late = |line: &str| marks.iter().chain(&words).any(|mark| line.contains(mark.as_str()));
            let lines: Vec<_> = text.content.lines().enumerate().filter(|(_, line)| is_late(line)).collect();
            lines.into_iter().map(|(n, line)| format!("{}:{}: {line}", text.path, n + 1)).collect::<Vec<_>>()
        });
    assert_none("things to do belong into issues", offences);
}

#[test]
fn a_test_that_does_not_run_says_why() {
    let bare = format!("#[{}]", "ignore");
    let offences = with_ending(&[".rs"]).into_iter().filter(|text| text.content.contains(&bare));
    assert_none("a test that is ignored needs a reason", offences.map(|text| text.path));
}

#[test]
fn no_file_names_a_developers_machine_or_a_package_registry() {
    // Put together here so that this file does not accuse itself.
    let registries =
        [("crates", "io"), ("pypi", "org"), ("pythonhosted", "org"), ("golang", "org"), ("npmjs", "com")]
            .map(|(name, domain)| format!("{name}.{domain}"));
    let homes = ["home", "root", "Users", "work"].map(|name| format!("/{name}/"));
    // Lock files name where packages are from, and Go's package names look like hosts.
    let locked =
        |path: &str| path.ends_with("Cargo.lock") || path.ends_with("go.sum") || path.ends_with("go.mod");
    let offences = texts().into_iter().filter(|text| !locked(&text.path)).flat_map(|text| {
        let names = |line: &str| {
            let go_package = line.contains("golang.org/x/");
            let home = homes.iter().any(|home| {
                line.match_indices(home.as_str()).any(|(at, _)| {
                    !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}/*~".contains(c))
                })
            });
            home || (!go_package && registries.iter().any(|host| line.contains(host.as_str())))
        };
        let lines: Vec<_> = text.content.lines().enumerate().filter(|(_, line)| names(line)).collect();
        lines.into_iter().map(|(n, line)| format!("{}:{}: {line}", text.path, n + 1)).collect::<Vec<_>>()
    });
    assert_none("no paths of a developer's machine, no registry hosts", offences);
}
