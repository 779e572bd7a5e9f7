//! The documentation: links lead somewhere, reference pages agree with the code, named tests exist.

use std::collections::BTreeSet;

use crate::tree::{Text, all_rust, assert_none, read, root, with_ending};

/// The targets of a page's links, outside of code blocks.
fn links(page: &Text) -> Vec<(usize, &str)> {
    let mut in_code = false;
    let mut found = Vec::new();
    for (index, line) in page.content.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for part in line.split("](").skip(1) {
            if let Some(end) = part.find(')') {
                found.push((index + 1, &part[..end]));
            }
        }
    }
    found
}

/// The anchor that a heading has: lower case, words joined by dashes, punctuation gone.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
}

/// The first cells of a page's table rows that are a name in backticks.
fn rows(page: &str) -> BTreeSet<String> {
    let cells = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    cells.map(str::to_owned).collect()
}

/// The string literals of a piece of Rust.
fn literals(code: &str) -> impl Iterator<Item = &str> {
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|l| l.split('"').skip(1).step_by(2))
}

#[test]
fn links_lead_to_something() {
    let mut offences = Vec::new();
    for page in with_ending(&[".md"]) {
        for (line, target) in links(&page) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let here = root().join(&page.path);
            let path = if file.is_empty() { here } else { here.parent().unwrap().join(file) };
            let exists = path.exists()
                && (heading.is_empty() || {
                    let content = std::fs::read_to_string(&path).unwrap_or_default();
                    content
                        .lines()
                        .filter(|l| l.starts_with('#'))
                        .any(|l| anchor(l.trim_start_matches('#')) == heading)
                });
            if !exists {
                offences.push(format!("{}:{line}: {target}", page.path));
            }
        }
    }
    assert_none("links that lead nowhere", offences);
}

#[test]
fn every_annotation_is_on_its_page_and_no_other() {
    let code = read("cloud-controller/src/load_balancer/annotations.rs")
        + &read("cloud-controller/src/load_balancer/names.rs");
    let before_tests = code.split("#[cfg(test)]");
    let in_code: BTreeSet<String> = before_tests
        .flat_map(literals)
        .filter(|text| text.contains(".openstack.org/") || text.contains(".beta.kubernetes.io/"))
        .map(str::to_owned)
        .collect();
    let on_page = rows(&read("docs/reference/annotations.md"));
    assert!(in_code.len() > 20, "found only {in_code:?}");
    assert_none(
        "annotations that docs/reference/annotations.md lacks",
        in_code.difference(&on_page).cloned(),
    );
    assert_none("annotations that only the page knows", on_page.difference(&in_code).cloned());
}

#[test]
fn every_test_that_the_parity_page_names_exists() {
    let page = read("docs/reference/parity.md");
    let all = all_rust();
    let mut ids = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| id")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [id, status, tests, remark] = cells[..] else { panic!("a row has four columns: {row}") };
        assert!(ids.insert(id.to_owned()), "{id} is there twice");
        match status {
            "done" => assert!(tests.contains('`'), "{id} is done, by which test?"),
            "argued" => assert!(!remark.is_empty(), "{id} is argued, so how?"),
            other => panic!("{id}: {other:?} is neither done nor argued"),
        }
        for name in tests.split('`').skip(1).step_by(2) {
            assert!(all.contains(&format!("fn {name}(")), "{id}: there is no test {name}");
        }
    }
    assert!(ids.len() > 5, "only {} rows", ids.len());
}

#[test]
fn the_code_map_names_what_exists() {
    let page = read("ARCHITECTURE.md");
    let map = page.split("\n## ").find(|part| part.starts_with("Code map")).expect("section Code map");
    let mut folder = String::new();
    let mut seen = 0;
    for row in map.lines().filter(|line| line.starts_with("| `")) {
        for name in row.split('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2) {
            // `…/wait/` is below the folder of the rows above, and so are the other names of its row.
            let below = folder.clone() + name.trim_start_matches("…/");
            let path = if root().join(name).exists() { name.to_owned() } else { below };
            let file = path.trim_end_matches('/').to_owned() + ".rs";
            assert!(root().join(&path).exists() || root().join(file).exists(), "{path} is not there");
            if path.ends_with("/src/") {
                folder.clone_from(&path);
            } else if let Some((crate_folder, _)) = path.split_once("/src/") {
                folder = format!("{crate_folder}/src/");
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} names in the code map");
}
